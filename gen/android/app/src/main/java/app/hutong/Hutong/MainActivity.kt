package app.hutong.Hutong

import android.os.Bundle
import androidx.activity.enableEdgeToEdge

/** The window; all else that Hutong does is in Rust and in the page. */
class MainActivity : TauriActivity() {
  override fun onCreate(savedInstanceState: Bundle?) {
    enableEdgeToEdge()
    super.onCreate(savedInstanceState)
    keepClearOfSystemBars(this)
  }
}
