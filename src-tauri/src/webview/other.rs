//! The other systems' webviews have what a call needs switched on.

use tauri::WebviewWindow;

/// Nothing to do.
pub fn set_up() {}

/// Nothing to do.
///
/// # Errors
///
/// None.
pub fn prepare(_window: &WebviewWindow) -> tauri::Result<()> {
    Ok(())
}
