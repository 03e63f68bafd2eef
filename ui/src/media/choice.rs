//! Which cameras, microphones and loudspeakers there are, and which of them the person has chosen.

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{MediaDeviceInfo, MediaDeviceKind, MediaDevices, MediaStreamTrack};

use super::connection::TrackKind;
use crate::dom::{self, Listener};

/// What can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// For the own picture.
    Camera,
    /// For the own voice.
    Microphone,
    /// For what the other side says.
    Speaker,
}

impl Sort {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Camera, Self::Microphone, Self::Speaker];

    /// In a word, for tests and the store.
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

    /// Where the choice is remembered.
    fn key(self) -> String {
        format!("hutong.{}", self.code())
    }
}

impl From<TrackKind> for Sort {
    fn from(kind: TrackKind) -> Self {
        match kind {
            TrackKind::Voice => Self::Microphone,
            TrackKind::Picture => Self::Camera,
        }
    }
}

/// A device that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it is for.
    pub sort: Sort,
    /// `MediaDeviceInfo.deviceId`: lasting, and this page's own.
    pub id: String,
    /// What the system calls it.
    pub name: String,
}

/// The devices that are there. Browsers hide those of a kind that the person has not allowed.
pub async fn devices() -> Vec<Device> {
    let Some(list) = media_devices().and_then(|devices| devices.enumerate_devices().ok()) else { return Vec::new() };
    let Ok(list) = JsFuture::from(list).await else { return Vec::new() };
    let list = Array::from(&list);
    let infos = list.iter().filter_map(|info| info.dyn_into::<MediaDeviceInfo>().ok());
    infos
        .filter_map(|info| {
            let device = Device { sort: Sort::of(info.kind())?, id: info.device_id(), name: info.label() };
            (!device.id.is_empty() && !device.name.is_empty()).then_some(device)
        })
        .collect()
}

/// Listens for devices that come and go.
pub fn on_change(mut act: impl FnMut() + 'static) -> Option<Listener> {
    media_devices().map(|devices| Listener::new(&devices, "devicechange", move |_| act()))
}

/// What the person has chosen. It may be gone by now: only ever a wish.
pub fn chosen(sort: Sort) -> Option<String> {
    dom::local_storage()?.get_item(&sort.key()).ok()?
}

/// Remembers a choice.
pub fn choose(sort: Sort, id: &str) {
    if let Some(storage) = dom::local_storage() {
        // A full or forbidden store forgets it with the page.
        storage.set_item(&sort.key(), id).ok();
    }
}

/// Which device a track comes from.
pub fn device_of(track: &MediaStreamTrack) -> Option<String> {
    dom::text_property(&track.get_settings(), "deviceId")
}

fn media_devices() -> Option<MediaDevices> {
    let navigator = dom::window()?.navigator();
    dom::property(&JsValue::from(navigator), "mediaDevices")?.dyn_into().ok()
}
