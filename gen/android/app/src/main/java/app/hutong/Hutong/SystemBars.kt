package app.hutong.Hutong

import android.app.Activity
import android.view.View
import androidx.core.view.ViewCompat
import androidx.core.view.WindowInsetsCompat

/**
 * Keeps the page between the system's bars, beside the camera's cutout and above the keyboard.
 *
 * Since Android 15 an app draws under all of them, and only recent versions of WebView tell the page how much they cover. So
 * what holds the WebView is made that much smaller, as
 * https://developer.android.com/develop/ui/views/layout/edge-to-edge shows it.
 */
fun keepClearOfSystemBars(activity: Activity) {
  ViewCompat.setOnApplyWindowInsetsListener(activity.findViewById<View>(android.R.id.content)) { view, insets ->
    val covered = insets.getInsets(
      WindowInsetsCompat.Type.systemBars() or WindowInsetsCompat.Type.displayCutout() or WindowInsetsCompat.Type.ime()
    )
    view.setPadding(covered.left, covered.top, covered.right, covered.bottom)
    WindowInsetsCompat.CONSUMED
  }
}
