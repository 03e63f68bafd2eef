//! Other systems' webviews have the features for calls enabled.

use tauri::WebviewWindow;

/// Does nothing.
pub fn set_environment() {}

/// Does nothing.
///
/// # Errors
///
/// None.
pub fn configure(_window: &WebviewWindow) -> tauri::Result<()> {
    Ok(())
}
