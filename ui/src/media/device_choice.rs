//! The available cameras, microphones and loudspeakers, and the person's stored choice of each.

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{MediaDeviceInfo, MediaDeviceKind, MediaDevices, MediaStreamTrack};

use super::connection::TrackKind;
use crate::dom::{self, EventListener};

/// Kind of a device that the person can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A loudspeaker.
    Speaker,
}

impl DeviceKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Camera, Self::Microphone, Self::Speaker];

    /// The name in storage keys and test IDs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        }
    }

    fn of(kind: MediaDeviceKind) -> Option<Self> {
        match kind {
            MediaDeviceKind::Videoinput => Some(Self::Camera),
            MediaDeviceKind::Audioinput => Some(Self::Microphone),
            MediaDeviceKind::Audiooutput => Some(Self::Speaker),
            _ => None,
        }
    }

    /// The `localStorage` key of the choice.
    fn storage_key(self) -> String {
        format!("hutong.{}", self.code())
    }
}

impl From<TrackKind> for DeviceKind {
    fn from(kind: TrackKind) -> Self {
        match kind {
            TrackKind::Audio => Self::Microphone,
            TrackKind::Video => Self::Camera,
        }
    }
}

/// A device that the person can choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDevice {
    /// The kind.
    pub kind: DeviceKind,
    /// `MediaDeviceInfo.deviceId`: persistent, and specific to this page's origin.
    pub id: String,
    /// `MediaDeviceInfo.label`.
    pub label: String,
}

/// The available devices. Browsers hide the devices of a kind for which the person has not granted permission.
pub async fn devices() -> Vec<MediaDevice> {
    let Some(list) = media_devices().and_then(|devices| devices.enumerate_devices().ok()) else { return Vec::new() };
    let Ok(list) = JsFuture::from(list).await else { return Vec::new() };
    let list = Array::from(&list);
    let infos = list.iter().filter_map(|info| info.dyn_into::<MediaDeviceInfo>().ok());
    infos
        .filter_map(|info| {
            let device = MediaDevice { kind: DeviceKind::of(info.kind())?, id: info.device_id(), label: info.label() };
            (!device.id.is_empty() && !device.label.is_empty()).then_some(device)
        })
        .collect()
}

/// Calls `act` whenever a device is plugged in or unplugged.
pub fn on_device_change(mut act: impl FnMut() + 'static) -> Option<EventListener> {
    media_devices().map(|devices| EventListener::new(&devices, "devicechange", move |_| act()))
}

/// The ID of the chosen device of this kind. The device may be unplugged by now.
pub fn chosen(kind: DeviceKind) -> Option<String> {
    dom::local_storage()?.get_item(&kind.storage_key()).ok()?
}

/// Stores the choice of a device.
pub fn choose(kind: DeviceKind, id: &str) {
    if let Some(storage) = dom::local_storage() {
        // Where storage is full or forbidden, the choice lasts as long as the page.
        storage.set_item(&kind.storage_key(), id).ok();
    }
}

/// The ID of the device that a track comes from.
pub fn device_of(track: &MediaStreamTrack) -> Option<String> {
    dom::text_property(&track.get_settings(), "deviceId")
}

fn media_devices() -> Option<MediaDevices> {
    let navigator = dom::window()?.navigator();
    dom::property(&JsValue::from(navigator), "mediaDevices")?.dyn_into().ok()
}
