//! Acquires camera, microphone and screen, and diagnoses why they are not available.

use hutong_core::{MediaProblem, WithoutMicrophone};
use hutong_protocol::MediaKind;
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DisplayMediaStreamConstraints, MediaDeviceInfo, MediaDeviceKind, MediaDevices, MediaStream, MediaStreamConstraints,
    MediaStreamTrack, PermissionState,
};

use super::{
    connection::TrackKind,
    device_choice::{self, ChosenDevices},
    permission,
};
use crate::dom;

/// Acquires the microphone, and the camera for a video call. Without any microphone, and if the call can do without it, acquires
/// the camera alone, or nothing.
///
/// # Errors
///
/// Which of the two is not available, and why.
pub async fn acquire(media: MediaKind, without_microphone: WithoutMicrophone) -> Result<MediaStream, MediaProblem> {
    let devices = media_devices()?;
    let error = match get_chosen_or_any(&devices, track_kinds(media)).await {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    let problem = match media {
        MediaKind::Voice if error == CaptureError::Denied => denied(&[TrackKind::Audio]).await,
        MediaKind::Voice => error.of_microphone(),
        MediaKind::Video => diagnose(&devices, error).await,
    };
    if problem != MediaProblem::MicrophoneMissing || without_microphone == WithoutMicrophone::Fail {
        return Err(problem);
    }
    if media == MediaKind::Video
        && let Ok(camera) = get_chosen_or_any(&devices, &[TrackKind::Video]).await
    {
        return Ok(camera);
    }
    MediaStream::new().map_err(|_| MediaProblem::Engine)
}

/// Acquires one device during a call.
///
/// # Errors
///
/// Why the device is not available.
pub async fn acquire_track(kind: TrackKind) -> Result<MediaStreamTrack, MediaProblem> {
    let devices = media_devices()?;
    let (to_problem, missing): (fn(CaptureError) -> _, _) = match kind {
        TrackKind::Audio => (CaptureError::of_microphone, MediaProblem::MicrophoneMissing),
        TrackKind::Video => (CaptureError::of_camera, MediaProblem::CameraMissing),
    };
    let stream = get_chosen_or_any(&devices, &[kind]).await.map_err(to_problem)?;
    tracks(&stream).into_iter().next().ok_or(missing)
}

/// Why the screen is not shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenError {
    /// The person closed the browser's dialog.
    Cancelled,
    /// The system denied it, or capture failed.
    Failed,
}

/// A shared screen, window or tab.
#[derive(Clone, Debug)]
pub struct SharedScreen {
    /// Its picture.
    pub video: MediaStreamTrack,
    /// Its sound, where the browser offers it: Chromium that of tabs.
    pub audio: Option<MediaStreamTrack>,
}

impl SharedScreen {
    /// Stops sharing.
    pub fn stop(&self) {
        self.video.stop();
        self.audio.iter().for_each(MediaStreamTrack::stop);
    }
}

/// Acquires the screen, a window or a tab. Calls `getDisplayMedia` before the future is awaited: browsers require the
/// person's click.
pub fn acquire_screen() -> impl Future<Output = Result<SharedScreen, ScreenError>> {
    let promise = media_devices().ok().and_then(|devices| {
        let constraints = DisplayMediaStreamConstraints::new();
        constraints.set_video(&JsValue::TRUE);
        // Browsers without it ignore this.
        constraints.set_audio(&shared_audio());
        devices.get_display_media_with_constraints(&constraints).ok()
    });
    async move {
        let stream = match JsFuture::from(promise.ok_or(ScreenError::Failed)?).await {
            Ok(stream) => stream.dyn_into::<MediaStream>().map_err(|_| ScreenError::Failed)?,
            Err(error) => return Err(screen_error(&error)),
        };
        let (mut audio, mut video): (Vec<_>, Vec<_>) =
            tracks(&stream).into_iter().partition(|track| TrackKind::of(track) == TrackKind::Audio);
        let screen = SharedScreen { video: video.pop().ok_or(ScreenError::Failed)?, audio: audio.pop() };
        // Keeps text sharp at low bitrates (MediaStreamTrack Content Hints, section 3.2).
        Reflect::set(&screen.video, &"contentHint".into(), &"detail".into()).ok();
        Ok(screen)
    }
}

/// `MediaTrackConstraints` of a tab's sound: music, not speech.
fn shared_audio() -> JsValue {
    let constraints = Object::new();
    for name in ["echoCancellation", "noiseSuppression", "autoGainControl"] {
        Reflect::set(&constraints, &name.into(), &JsValue::FALSE).ok();
    }
    constraints.into()
}

/// Stops all tracks of a stream, which releases their devices.
pub fn release(stream: &MediaStream) {
    for track in tracks(stream) {
        track.stop();
    }
}

/// A stream of exactly these tracks: the given one if it has them, else a new one.
///
/// A stream that is playing is never changed: media elements follow a new stream, but not the removal of a track, and
/// `WebKitGTK` 2.50 crashes when the second of two tracks is removed.
pub fn stream_of(stream: Option<MediaStream>, wanted: &[MediaStreamTrack]) -> Option<MediaStream> {
    if let Some(stream) = stream {
        let present = tracks(&stream);
        if present.len() == wanted.len() && wanted.iter().all(|track| present.contains(track)) {
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

/// Why `getUserMedia` failed, before it is known which device is the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CaptureError {
    Denied,
    Missing,
    InUse,
    Other,
}

impl CaptureError {
    /// By the name of the `DOMException`, including the names of older Safari and Chrome.
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

    fn of(error: &JsValue) -> Self {
        dom::text_property(error, "name").map_or(Self::Other, |name| Self::named(&name))
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

fn media_devices() -> Result<MediaDevices, MediaProblem> {
    let window = dom::window().ok_or(MediaProblem::NotSupported)?;
    let devices = dom::property(&JsValue::from(window.navigator()), "mediaDevices");
    // `navigator.mediaDevices` is missing outside a secure context.
    match devices.and_then(|devices| devices.dyn_into().ok()) {
        Some(devices) => Ok(devices),
        None if window.is_secure_context() => Err(MediaProblem::NotSupported),
        None => Err(MediaProblem::NotSecure),
    }
}

fn track_kinds(media: MediaKind) -> &'static [TrackKind] {
    match media {
        MediaKind::Voice => &[TrackKind::Audio],
        MediaKind::Video => &TrackKind::ALL,
    }
}

/// Opens the chosen devices. Each choice stands for itself: where one is not available, any device of that kind is opened.
///
/// Of a device that another program uses, the browser does not say which one it is: then the choices are left out one by one.
async fn get_chosen_or_any(devices: &MediaDevices, kinds: &[TrackKind]) -> Result<MediaStream, CaptureError> {
    let chosen = device_choice::available(kinds).await;
    let mut result = get_user_media(devices, kinds, &chosen).await;
    let mut fewer: Vec<ChosenDevices> = Vec::new();
    for kind in chosen.kinds() {
        fewer.push(chosen.clone().without(kind));
    }
    if fewer.len() > 1 {
        fewer.push(ChosenDevices::default());
    }
    for choice in fewer {
        match result {
            Err(CaptureError::Missing | CaptureError::InUse | CaptureError::Other) => {
                result = get_user_media(devices, kinds, &choice).await;
            }
            Ok(_) | Err(CaptureError::Denied) => break,
        }
    }
    match (result, kinds) {
        // `WebKitGTK` has an error of its own where there is no device.
        (Err(CaptureError::InUse | CaptureError::Other), [kind]) if !is_present(devices, *kind).await => {
            Err(CaptureError::Missing)
        }
        (result, _) => result,
    }
}

async fn get_user_media(
    devices: &MediaDevices,
    kinds: &[TrackKind],
    chosen: &ChosenDevices,
) -> Result<MediaStream, CaptureError> {
    let constraints = MediaStreamConstraints::new();
    for &kind in kinds {
        let of_track = track_constraints(kind, chosen.of(kind));
        match kind {
            TrackKind::Audio => constraints.set_audio(&of_track),
            TrackKind::Video => constraints.set_video(&of_track),
        }
    }
    let promise = devices.get_user_media_with_constraints(&constraints).map_err(|error| CaptureError::of(&error))?;
    let stream = JsFuture::from(promise).await.map_err(|error| CaptureError::of(&error))?;
    stream.dyn_into().map_err(|_| CaptureError::Other)
}

/// `MediaTrackConstraints`: all `ideal`, so that any camera fits, except the chosen device.
fn track_constraints(kind: TrackKind, chosen: Option<&str>) -> JsValue {
    let constraints = Object::new();
    if kind == TrackKind::Video {
        constrain(&constraints, "ideal", "width", 1280.into());
        constrain(&constraints, "ideal", "height", 720.into());
        if chosen.is_none() {
            constrain(&constraints, "ideal", "facingMode", "user".into());
        }
    }
    if let Some(id) = chosen {
        // Chromium ignores an `ideal` microphone.
        constrain(&constraints, "exact", "deviceId", id.into());
    }
    constraints.into()
}

fn constrain(constraints: &Object, strength: &str, name: &str, value: JsValue) {
    let constraint = Object::new();
    Reflect::set(&constraint, &strength.into(), &value).ok();
    Reflect::set(constraints, &name.into(), &constraint).ok();
}

/// Browsers use one error name for a refusal by the person and by the system. Only the latter needs a message.
fn screen_error(error: &JsValue) -> ScreenError {
    let is = |name, words| dom::text_property(error, name).is_some_and(|text| text.contains(words));
    if is("name", "NotAllowedError") && !is("message", "system") { ScreenError::Cancelled } else { ScreenError::Failed }
}

/// Finds out which device is the cause when camera and microphone together failed. The microphone is checked first: without
/// it there is no call.
async fn diagnose(devices: &MediaDevices, error: CaptureError) -> MediaProblem {
    match error {
        CaptureError::Denied => {
            let problem = denied(&TrackKind::ALL).await;
            // Else the browser allows both, and the system refuses one.
            if problem != MediaProblem::Engine {
                return problem;
            }
        }
        CaptureError::Missing | CaptureError::InUse | CaptureError::Other => {
            for (kind, missing) in
                [(TrackKind::Audio, MediaProblem::MicrophoneMissing), (TrackKind::Video, MediaProblem::CameraMissing)]
            {
                if !is_present(devices, kind).await {
                    return missing;
                }
            }
            if error == CaptureError::Other {
                return MediaProblem::Engine;
            }
        }
    }
    // The browser does not say which: open the microphone alone.
    match get_chosen_or_any(devices, &[TrackKind::Audio]).await {
        Ok(stream) => {
            release(&stream);
            error.of_camera()
        }
        Err(error) => error.of_microphone(),
    }
}

/// Why the devices of these kinds were refused, without asking once more. `Engine`: the browser allows all of them.
async fn denied(kinds: &[TrackKind]) -> MediaProblem {
    let mut all_granted = true;
    for kind in kinds {
        let (name, problem) = match kind {
            TrackKind::Audio => ("microphone", MediaProblem::MicrophoneDenied),
            TrackKind::Video => ("camera", MediaProblem::CameraDenied),
        };
        match permission::state(name).await {
            Some(PermissionState::Denied) => return problem,
            Some(PermissionState::Granted) => {}
            _ => all_granted = false,
        }
    }
    match (all_granted, kinds) {
        (false, _) => MediaProblem::NotAllowedYet,
        (true, [TrackKind::Audio]) => MediaProblem::MicrophoneDenied,
        (true, _) => MediaProblem::Engine,
    }
}

/// Whether the browser lists a device of this kind. Also where it does not say.
async fn is_present(devices: &MediaDevices, kind: TrackKind) -> bool {
    let wanted = match kind {
        TrackKind::Audio => MediaDeviceKind::Audioinput,
        TrackKind::Video => MediaDeviceKind::Videoinput,
    };
    let list = async {
        let list = JsFuture::from(devices.enumerate_devices().ok()?).await.ok()?;
        list.dyn_into::<Array>().ok()
    };
    list.await.is_none_or(|list| {
        list.iter().filter_map(|info| info.dyn_into::<MediaDeviceInfo>().ok()).any(|info| info.kind() == wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_exception_maps_to_a_problem() {
        for (name, microphone, camera) in [
            ("NotAllowedError", MediaProblem::MicrophoneDenied, MediaProblem::CameraDenied),
            ("NotFoundError", MediaProblem::MicrophoneMissing, MediaProblem::CameraMissing),
            ("NotReadableError", MediaProblem::MicrophoneInUse, MediaProblem::CameraInUse),
            ("OverconstrainedError", MediaProblem::MicrophoneInUse, MediaProblem::CameraInUse),
            ("TypeError", MediaProblem::Engine, MediaProblem::Engine),
        ] {
            let error = CaptureError::named(name);
            assert_eq!((error.of_microphone(), error.of_camera()), (microphone, camera), "{name}");
        }
    }
}
