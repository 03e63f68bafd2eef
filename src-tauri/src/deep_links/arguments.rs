//! Linux and Windows pass a link as an argument of a new start, which [`crate::launch`] parses.

use tauri::AppHandle;

use crate::controller::ControllerHandle;

/// Does nothing.
///
/// # Errors
///
/// None.
pub fn listen(_app: &AppHandle, _control: &ControllerHandle) -> tauri::Result<()> {
    Ok(())
}
