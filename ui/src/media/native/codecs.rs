//! Detects missing `WebCodecs` codecs. `WebKitGTK` takes them from `GStreamer` plugins, which may not be installed.

use futures_util::future::join_all;
use hutong_core::MediaProblem;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::dom;

/// The problem to report if an encoder or decoder is missing.
pub async fn missing_codec() -> Option<MediaProblem> {
    let audio = [("codec", "opus".into()), ("sampleRate", 48_000.into()), ("numberOfChannels", 1.into())];
    let video = [("codec", "vp8".into()), ("width", 640.into()), ("height", 360.into())];
    let needed = [
        ("AudioEncoder", &audio, MediaProblem::AudioCodecMissing),
        ("AudioDecoder", &audio, MediaProblem::AudioCodecMissing),
        ("VideoEncoder", &video, MediaProblem::VideoCodecMissing),
        ("VideoDecoder", &video, MediaProblem::VideoCodecMissing),
    ];
    let answers =
        needed.map(async |(interface, config, problem)| (!is_supported(interface, config).await).then_some(problem));
    join_all(answers).await.into_iter().flatten().next()
}

/// Calls `isConfigSupported` (`WebCodecs`, sections 4 to 7).
async fn is_supported(interface: &str, config: &[(&str, JsValue)]) -> bool {
    let query = || {
        let object = Object::new();
        for (name, value) in config {
            Reflect::set(&object, &JsValue::from_str(name), value).ok()?;
        }
        let codec = dom::property(&dom::window()?.into(), interface)?;
        let query: Function = dom::property(&codec, "isConfigSupported")?.dyn_into().ok()?;
        query.call1(&codec, &object).ok()?.dyn_into::<Promise>().ok()
    };
    let Some(promise) = query() else { return false };
    let support = JsFuture::from(promise).await.ok();
    support.and_then(|support| dom::property(&support, "supported")?.as_bool()).unwrap_or_default()
}
