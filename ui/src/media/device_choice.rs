//! The available cameras, microphones and loudspeakers, and the person's stored choice of each.

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
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

    /// The `localStorage` key of the chosen device's name.
    fn label_key(self) -> String {
        format!("hutong.{}.label", self.code())
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

impl MediaDevice {
    /// Whether it is a microphone.
    pub fn is_microphone(&self) -> bool {
        self.kind == DeviceKind::Microphone
    }
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

/// Stores the choice of a device, and its name: browsers may give it another ID later.
pub fn choose(kind: DeviceKind, id: &str) {
    if let Some(storage) = dom::local_storage() {
        // Where storage is full or forbidden, the choice lasts as long as the page.
        storage.set_item(&kind.storage_key(), id).ok();
        storage.remove_item(&kind.label_key()).ok();
    }
    let id = id.to_owned();
    spawn_local(async move {
        let label = devices().await.into_iter().find(|device| device.kind == kind && device.id == id);
        if let (Some(device), Some(storage)) = (label, dom::local_storage())
            && chosen(kind) == Some(device.id)
        {
            storage.set_item(&kind.label_key(), &device.label).ok();
        }
    });
}

/// The ID of the chosen loudspeaker, if it is among these.
pub fn available_speaker(devices: &[MediaDevice]) -> Option<String> {
    available_id(DeviceKind::Speaker, devices)
}

/// The ID of the chosen device of this kind, if it is among these: by its ID, else by its name.
pub fn available_id(kind: DeviceKind, devices: &[MediaDevice]) -> Option<String> {
    let id = chosen(kind)?;
    let label = dom::local_storage().and_then(|storage| storage.get_item(&kind.label_key()).ok()?);
    find_chosen(kind, &id, label.as_deref(), devices)
}

fn find_chosen(kind: DeviceKind, id: &str, label: Option<&str>, devices: &[MediaDevice]) -> Option<String> {
    let mut of_kind = devices.iter().filter(|device| device.kind == kind);
    let same_id = of_kind.clone().find(|device| device.id == id);
    same_id.or_else(|| of_kind.find(|device| Some(device.label.as_str()) == label)).map(|device| device.id.clone())
}

/// The chosen devices that are to be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChosenDevices {
    camera: Option<String>,
    microphone: Option<String>,
}

impl ChosenDevices {
    /// The ID of the chosen device of this kind.
    pub fn of(&self, kind: TrackKind) -> Option<&str> {
        match kind {
            TrackKind::Audio => self.microphone.as_deref(),
            TrackKind::Video => self.camera.as_deref(),
        }
    }

    /// The kinds with a choice.
    pub fn kinds(&self) -> impl Iterator<Item = TrackKind> {
        TrackKind::ALL.into_iter().filter(|kind| self.of(*kind).is_some()).collect::<Vec<_>>().into_iter()
    }

    /// Without the choice of this kind.
    pub fn without(mut self, kind: TrackKind) -> Self {
        match kind {
            TrackKind::Audio => self.microphone = None,
            TrackKind::Video => self.camera = None,
        }
        self
    }
}

/// The chosen devices of these kinds that are plugged in, or may be: before the person has granted permission, browsers hide them.
pub async fn available(kinds: &[TrackKind]) -> ChosenDevices {
    let devices = devices().await;
    let id_of = |kind: TrackKind| {
        let device_kind = DeviceKind::from(kind);
        let are_hidden = !devices.iter().any(|device| device.kind == device_kind);
        let id = if are_hidden { chosen(device_kind) } else { available_id(device_kind, &devices) };
        id.filter(|_| kinds.contains(&kind))
    };
    ChosenDevices { camera: id_of(TrackKind::Video), microphone: id_of(TrackKind::Audio) }
}

/// The ID of the device that a track comes from.
pub fn device_of(track: &MediaStreamTrack) -> Option<String> {
    dom::text_property(&track.get_settings(), "deviceId")
}

fn media_devices() -> Option<MediaDevices> {
    let navigator = dom::window()?.navigator();
    dom::property(&JsValue::from(navigator), "mediaDevices")?.dyn_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(kind: DeviceKind, id: &str, label: &str) -> MediaDevice {
        MediaDevice { kind, id: id.into(), label: label.into() }
    }

    #[test]
    fn a_chosen_device_is_found_by_its_id_or_else_by_its_name() {
        let devices = [
            device(DeviceKind::Camera, "1", "Front"),
            device(DeviceKind::Camera, "2", "Desk"),
            device(DeviceKind::Microphone, "3", "Desk"),
        ];
        for (id, label, expected) in [
            ("2", Some("Desk"), Some("2")),
            ("1", Some("Desk"), Some("1")),
            ("9", Some("Desk"), Some("2")),
            ("3", None, None),
            ("9", Some("Headset"), None),
        ] {
            let found = find_chosen(DeviceKind::Camera, id, label, &devices);
            assert_eq!(found.as_deref(), expected, "{id} {label:?}");
        }
    }

    #[test]
    fn each_choice_stands_for_itself() {
        let both = ChosenDevices { camera: Some("1".into()), microphone: Some("2".into()) };
        assert_eq!(both.kinds().collect::<Vec<_>>(), TrackKind::ALL);
        let without_camera = both.without(TrackKind::Video);
        assert_eq!((without_camera.of(TrackKind::Video), without_camera.of(TrackKind::Audio)), (None, Some("2")));
    }
}
