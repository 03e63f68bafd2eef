package app.hutong.Hutong

import android.os.Bundle
import androidx.activity.enableEdgeToEdge

/** The app's only activity: hosts the WebView. Everything else is implemented in Rust and in the page. */
class MainActivity : TauriActivity() {
  override fun onCreate(savedInstanceState: Bundle?) {
    enableEdgeToEdge()
    super.onCreate(savedInstanceState)
    applySystemBarInsets(this)
  }
}
