//! Asking for camera and microphone, and finding out what stood in the way.

use hutong_core::MediaProblem;
use hutong_protocol::MediaKind;
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    MediaDeviceInfo, MediaDeviceKind, MediaDevices, MediaStream, MediaStreamConstraints, MediaStreamTrack,
    PermissionState, PermissionStatus,
};

use crate::dom;

/// Asks the person for microphone, and camera.
pub async fn acquire(media: MediaKind) -> Result<MediaStream, MediaProblem> {
    let devices = devices()?;
    let failure = match ask(&devices, media).await {
        Ok(stream) => return Ok(stream),
        Err(failure) => failure,
    };
    match media {
        MediaKind::Voice => Err(failure.of_microphone()),
        MediaKind::Video => Err(culprit(&devices, failure).await),
    }
}

/// Asks for the camera again, in a call that had it before.
pub async fn camera() -> Result<MediaStreamTrack, MediaProblem> {
    let devices = devices()?;
    let constraints = MediaStreamConstraints::new();
    constraints.set_video(&picture());
    let stream = get(&devices, &constraints).await.map_err(Failure::of_camera)?;
    tracks(&stream).into_iter().next().ok_or(MediaProblem::CameraMissing)
}

/// Stops all tracks: the lights go out.
pub fn release(stream: &MediaStream) {
    for track in tracks(stream) {
        track.stop();
    }
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

async fn ask(devices: &MediaDevices, media: MediaKind) -> Result<MediaStream, Failure> {
    let constraints = MediaStreamConstraints::new();
    constraints.set_audio(&JsValue::TRUE);
    if media == MediaKind::Video {
        constraints.set_video(&picture());
    }
    get(devices, &constraints).await
}

async fn get(devices: &MediaDevices, constraints: &MediaStreamConstraints) -> Result<MediaStream, Failure> {
    let promise = devices.get_user_media_with_constraints(constraints).map_err(|error| failure(&error))?;
    let stream = JsFuture::from(promise).await.map_err(|error| failure(&error))?;
    stream.dyn_into().map_err(|_| Failure::Other)
}

/// What is wished of the camera. Only wishes: a camera that cannot do them is as welcome.
fn picture() -> JsValue {
    let ideal = |value: JsValue| {
        let wish = Object::new();
        Reflect::set(&wish, &"ideal".into(), &value).ok();
        wish
    };
    let picture = Object::new();
    Reflect::set(&picture, &"width".into(), &ideal(1280.into())).ok();
    Reflect::set(&picture, &"height".into(), &ideal(720.into())).ok();
    Reflect::set(&picture, &"facingMode".into(), &ideal("user".into())).ok();
    picture.into()
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
    match ask(devices, MediaKind::Voice).await {
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
