//! FFI calls into `libwebkit2gtk`.

use std::ffi::{CStr, c_char, c_int};

use glib::translate::ToGlibPtr;
use webkit2gtk::Settings;

/// Enables the feature with this identifier (`webkit_feature_get_identifier`). Returns whether this `WebKitGTK` has it.
///
/// Must be called on the main thread, like all uses of the settings.
#[must_use]
pub fn enable(settings: &Settings, identifier: &CStr) -> bool {
    // SAFETY: no arguments; returns null or a list that the caller must unref.
    let list = unsafe { webkit_settings_get_all_features() };
    if list.is_null() {
        return false;
    }
    // SAFETY: the list is valid until it is unreffed below.
    let length = unsafe { webkit_feature_list_get_length(list) };
    let found = (0..length).any(|index| {
        // SAFETY: the index is within the list. The list owns the feature, which owns the identifier.
        let (feature, name) = unsafe {
            let feature = webkit_feature_list_get(list, index);
            (feature, webkit_feature_get_identifier(feature))
        };
        // SAFETY: a non-null identifier is a C string that lives as long as the list.
        if name.is_null() || unsafe { CStr::from_ptr(name) } != identifier {
            return false;
        }
        // SAFETY: settings and feature are alive, and the call does not keep them.
        unsafe { webkit_settings_set_feature_enabled(settings.to_glib_none().0, feature, 1) };
        true
    });
    // SAFETY: the list is owned here and not used afterwards.
    unsafe { webkit_feature_list_unref(list) };
    found
}

/// `WebKitFeatureList`.
#[repr(C)]
struct FeatureList {
    _private: [u8; 0],
}

/// `WebKitFeature`.
#[repr(C)]
struct Feature {
    _private: [u8; 0],
}

// https://webkitgtk.org/reference/webkit2gtk/stable/struct.FeatureList.html
#[link(name = "webkit2gtk-4.1")]
unsafe extern "C" {
    fn webkit_settings_get_all_features() -> *mut FeatureList;
    fn webkit_feature_list_get_length(list: *mut FeatureList) -> usize;
    fn webkit_feature_list_get(list: *mut FeatureList, index: usize) -> *mut Feature;
    fn webkit_feature_list_unref(list: *mut FeatureList);
    fn webkit_feature_get_identifier(feature: *mut Feature) -> *const c_char;
    fn webkit_settings_set_feature_enabled(
        settings: *mut <Settings as glib::object::ObjectType>::GlibType,
        feature: *mut Feature,
        enabled: c_int,
    );
}
