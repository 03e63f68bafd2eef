//! Asking for camera, microphone and screen, and finding out what stood in the way.

use hutong_core::MediaProblem;
use hutong_protocol::MediaKind;
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DisplayMediaStreamConstraints, MediaDeviceInfo, MediaDeviceKind, MediaDevices, MediaStream, MediaStreamConstraints,
    MediaStreamTrack, PermissionState, PermissionStatus,
};

use super::{choice, connection::TrackKind};
use crate::dom;

/// Asks the person for microphone, and camera.
pub async fn acquire(media: MediaKind) -> Result<MediaStream, MediaProblem> {
    let devices = devices()?;
    let failure = match ask(&devices, kinds_of(media)).await {
        Ok(stream) => return Ok(stream),
        Err(failure) => failure,
    };
    match media {
        MediaKind::Voice => Err(failure.of_microphone()),
        MediaKind::Video => Err(culprit(&devices, failure).await),
    }
}

/// Asks for one device, in the middle of a call.
pub async fn one(kind: TrackKind) -> Result<MediaStreamTrack, MediaProblem> {
    let devices = devices()?;
    let (blame, missing): (fn(Failure) -> _, _) = match kind {
        TrackKind::Voice => (Failure::of_microphone, MediaProblem::MicrophoneMissing),
        TrackKind::Picture => (Failure::of_camera, MediaProblem::CameraMissing),
    };
    let stream = ask(&devices, &[kind]).await.map_err(blame)?;
    tracks(&stream).into_iter().next().ok_or(missing)
}

/// Why there is no screen to share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoScreen {
    /// The person thought better of it.
    Cancelled,
    /// It is not to be had: the system does not allow it, or something broke.
    Failed,
}

/// Asks for the screen, a window or a tab. Asks at once and not only when awaited: browsers listen to clicks alone.
pub fn screen() -> impl Future<Output = Result<MediaStreamTrack, NoScreen>> {
    let asked = devices().ok().and_then(|devices| {
        let constraints = DisplayMediaStreamConstraints::new();
        constraints.set_video(&JsValue::TRUE);
        devices.get_display_media_with_constraints(&constraints).ok()
    });
    async move {
        let stream = match JsFuture::from(asked.ok_or(NoScreen::Failed)?).await {
            Ok(stream) => stream.dyn_into::<MediaStream>().map_err(|_| NoScreen::Failed)?,
            Err(error) => return Err(no_screen(&error)),
        };
        let track = tracks(&stream).into_iter().next().ok_or(NoScreen::Failed)?;
        // Text is to stay sharp where not all of it can be sent (MediaStreamTrack Content Hints, section 3.2).
        Reflect::set(&track, &"contentHint".into(), &"detail".into()).ok();
        Ok(track)
    }
}

/// Stops all tracks: the lights go out.
pub fn release(stream: &MediaStream) {
    for track in tracks(stream) {
        track.stop();
    }
}

/// A stream of just these tracks: the one there is where it has them, and else a new one. A stream that is being played is
/// never changed: players take up a new one, but not the loss of a track; and `WebKitGTK` 2.50 crashes when the second of two
/// tracks is taken out of it.
pub fn stream_of(stream: Option<MediaStream>, wanted: &[MediaStreamTrack]) -> Option<MediaStream> {
    if let Some(stream) = stream {
        let there = tracks(&stream);
        if there.len() == wanted.len() && wanted.iter().all(|track| there.contains(track)) {
            return Some(stream);
        }
    }
    let fresh = MediaStream::new().ok()?;
    wanted.iter().for_each(|track| fresh.add_track(track));
    Some(fresh)
}

/// The tracks of a stream.
pub fn tracks(stream: &MediaStream) -> Vec<MediaStreamTrack> {
    stream.get_tracks().iter().filter_map(|track| track.dyn_into().ok()).collect()
}

/// Why devices were not given, before it is known which of them is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Denied,
    Missing,
    InUse,
    Other,
}

impl Failure {
    /// By the name of the `DOMException`; old names included, which older Safari and Chrome give.
    fn named(name: &str) -> Self {
        match name {
            "NotAllowedError" | "SecurityError" | "PermissionDeniedError" | "PermissionDismissedError" => Self::Denied,
            "NotFoundError" | "DevicesNotFoundError" => Self::Missing,
            "NotReadableError"
            | "OverconstrainedError"
            | "AbortError"
            | "TrackStartError"
            | "ConstraintNotSatisfiedError" => Self::InUse,
            _ => Self::Other,
        }
    }

    fn of_microphone(self) -> MediaProblem {
        match self {
            Self::Denied => MediaProblem::MicrophoneDenied,
            Self::Missing => MediaProblem::MicrophoneMissing,
            Self::InUse => MediaProblem::MicrophoneInUse,
            Self::Other => MediaProblem::Engine,
        }
    }

    fn of_camera(self) -> MediaProblem {
        match self {
            Self::Denied => MediaProblem::CameraDenied,
            Self::Missing => MediaProblem::CameraMissing,
            Self::InUse => MediaProblem::CameraInUse,
            Self::Other => MediaProblem::Engine,
        }
    }
}

fn devices() -> Result<MediaDevices, MediaProblem> {
    let window = dom::window().ok_or(MediaProblem::NotSupported)?;
    let devices = dom::property(&JsValue::from(window.navigator()), "mediaDevices");
    // Browsers hide the devices altogether from a page that came over plain http.
    match devices.and_then(|devices| devices.dyn_into().ok()) {
        Some(devices) => Ok(devices),
        None if window.is_secure_context() => Err(MediaProblem::NotSupported),
        None => Err(MediaProblem::NotSecure),
    }
}

fn kinds_of(media: MediaKind) -> &'static [TrackKind] {
    match media {
        MediaKind::Voice => &[TrackKind::Voice],
        MediaKind::Video => &TrackKind::ALL,
    }
}

/// Asks for the devices that are chosen, or for any where these are not to be had.
async fn ask(devices: &MediaDevices, kinds: &[TrackKind]) -> Result<MediaStream, Failure> {
    match get(devices, kinds, true).await {
        Err(Failure::Missing | Failure::InUse | Failure::Other)
            if kinds.iter().any(|&kind| choice::chosen(kind.into()).is_some()) =>
        {
            get(devices, kinds, false).await
        }
        done => done,
    }
}

async fn get(devices: &MediaDevices, kinds: &[TrackKind], chosen: bool) -> Result<MediaStream, Failure> {
    let constraints = MediaStreamConstraints::new();
    for &kind in kinds {
        let wishes = wishes(kind, choice::chosen(kind.into()).filter(|_| chosen));
        match kind {
            TrackKind::Voice => constraints.set_audio(&wishes),
            TrackKind::Picture => constraints.set_video(&wishes),
        }
    }
    let promise = devices.get_user_media_with_constraints(&constraints).map_err(|error| failure(&error))?;
    let stream = JsFuture::from(promise).await.map_err(|error| failure(&error))?;
    stream.dyn_into().map_err(|_| Failure::Other)
}

/// What is wished of a device. But for the one that is chosen only wishes: a camera that cannot do them is as welcome.
fn wishes(kind: TrackKind, chosen: Option<String>) -> JsValue {
    let wishes = Object::new();
    if kind == TrackKind::Picture {
        wish(&wishes, "ideal", "width", 1280.into());
        wish(&wishes, "ideal", "height", 720.into());
        if chosen.is_none() {
            wish(&wishes, "ideal", "facingMode", "user".into());
        }
    }
    if let Some(id) = chosen {
        // Chromium passes over a microphone that is only wished for.
        wish(&wishes, "exact", "deviceId", id.into());
    }
    wishes.into()
}

fn wish(wishes: &Object, how: &str, name: &str, value: JsValue) {
    let wish = Object::new();
    Reflect::set(&wish, &how.into(), &value).ok();
    Reflect::set(wishes, &name.into(), &wish).ok();
}

/// Browsers call it the same whether the person or the system says no; but for the person's no there is nothing to say.
fn no_screen(error: &JsValue) -> NoScreen {
    let is = |name, words| dom::text_property(error, name).is_some_and(|text| text.contains(words));
    if is("name", "NotAllowedError") && !is("message", "system") { NoScreen::Cancelled } else { NoScreen::Failed }
}

fn failure(error: &JsValue) -> Failure {
    dom::text_property(error, "name").map_or(Failure::Other, |name| Failure::named(&name))
}

/// Camera and microphone together were not to be had: which one is to blame? The microphone first, because without it there
/// is no call at all.
async fn culprit(devices: &MediaDevices, failure: Failure) -> MediaProblem {
    match failure {
        Failure::Denied => {
            if permission("microphone").await == Some(PermissionState::Denied) {
                return MediaProblem::MicrophoneDenied;
            }
            if permission("camera").await == Some(PermissionState::Denied) {
                return MediaProblem::CameraDenied;
            }
        }
        Failure::Missing => {
            if let Some(kinds) = kinds(devices).await {
                if !kinds.contains(&MediaDeviceKind::Audioinput) {
                    return MediaProblem::MicrophoneMissing;
                }
                if !kinds.contains(&MediaDeviceKind::Videoinput) {
                    return MediaProblem::CameraMissing;
                }
            }
        }
        Failure::InUse => {}
        Failure::Other => return MediaProblem::Engine,
    }
    // Neither says anything, or the browser is not telling: the microphone alone decides.
    match ask(devices, &[TrackKind::Voice]).await {
        Ok(stream) => {
            release(&stream);
            failure.of_camera()
        }
        Err(failure) => failure.of_microphone(),
    }
}

/// What the person has decided about a device; `None` where the browser does not say (Firefox before 131, Safari before 16).
async fn permission(name: &str) -> Option<PermissionState> {
    let navigator = dom::window()?.navigator();
    dom::property(&JsValue::from(navigator.clone()), "permissions")?;
    let which = Object::new();
    Reflect::set(&which, &"name".into(), &name.into()).ok()?;
    let promise = navigator.permissions().ok()?.query(&which).ok()?;
    let status: PermissionStatus = JsFuture::from(promise).await.ok()?.dyn_into().ok()?;
    Some(status.state())
}

async fn kinds(devices: &MediaDevices) -> Option<Vec<MediaDeviceKind>> {
    let list = JsFuture::from(devices.enumerate_devices().ok()?).await.ok()?;
    let list: Array = list.dyn_into().ok()?;
    Some(list.iter().filter_map(|info| info.dyn_into::<MediaDeviceInfo>().ok()).map(|info| info.kind()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_error_has_its_problem() {
        for (name, microphone, camera) in [
            ("NotAllowedError", MediaProblem::MicrophoneDenied, MediaProblem::CameraDenied),
            ("NotFoundError", MediaProblem::MicrophoneMissing, MediaProblem::CameraMissing),
            ("NotReadableError", MediaProblem::MicrophoneInUse, MediaProblem::CameraInUse),
            ("OverconstrainedError", MediaProblem::MicrophoneInUse, MediaProblem::CameraInUse),
            ("TypeError", MediaProblem::Engine, MediaProblem::Engine),
        ] {
            let failure = Failure::named(name);
            assert_eq!((failure.of_microphone(), failure.of_camera()), (microphone, camera), "{name}");
        }
    }
}
