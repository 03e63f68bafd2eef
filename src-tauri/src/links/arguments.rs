//! Linux and Windows start the app again with a link as an argument, which [`crate::launch`] reads.

use tauri::AppHandle;

use crate::controller::Control;

/// Nothing to hear.
///
/// # Errors
///
/// None.
pub fn hear(_app: &AppHandle, _control: &Control) -> tauri::Result<()> {
    Ok(())
}
