package app.hutong.Hutong

import android.app.Activity
import android.view.View
import androidx.core.view.ViewCompat
import androidx.core.view.WindowInsetsCompat

/**
 * Pads the WebView's container by the insets of system bars, display cutout and keyboard.
 *
 * Since Android 15 apps draw edge to edge, and only recent WebViews report the insets to the page. See
 * https://developer.android.com/develop/ui/views/layout/edge-to-edge.
 */
fun applySystemBarInsets(activity: Activity) {
  ViewCompat.setOnApplyWindowInsetsListener(activity.findViewById<View>(android.R.id.content)) { view, insets ->
    val padding = insets.getInsets(
      WindowInsetsCompat.Type.systemBars() or WindowInsetsCompat.Type.displayCutout() or WindowInsetsCompat.Type.ime()
    )
    view.setPadding(padding.left, padding.top, padding.right, padding.bottom)
    WindowInsetsCompat.CONSUMED
  }
}
