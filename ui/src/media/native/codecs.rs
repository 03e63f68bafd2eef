//! Whether this webview encodes and decodes. WebKitGTK has its codecs from plugins, which may not be installed.

use futures_util::future::join_all;
use hutong_core::MediaProblem;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::dom;

/// Which codec is missing, if one is.
pub async fn missing() -> Option<MediaProblem> {
    let voice = [("codec", "opus".into()), ("sampleRate", 48_000.into()), ("numberOfChannels", 1.into())];
    let picture = [("codec", "vp8".into()), ("width", 640.into()), ("height", 360.into())];
    let needed = [
        ("AudioEncoder", &voice, MediaProblem::VoiceCodecMissing),
        ("AudioDecoder", &voice, MediaProblem::VoiceCodecMissing),
        ("VideoEncoder", &picture, MediaProblem::PictureCodecMissing),
        ("VideoDecoder", &picture, MediaProblem::PictureCodecMissing),
    ];
    let answers = needed.map(async |(codec, config, problem)| (!supports(codec, config).await).then_some(problem));
    join_all(answers).await.into_iter().flatten().next()
}

/// Asks `isConfigSupported` (WebCodecs, sections 4 to 7).
async fn supports(codec: &str, config: &[(&str, JsValue)]) -> bool {
    let ask = || {
        let given = Object::new();
        for (name, value) in config {
            Reflect::set(&given, &JsValue::from_str(name), value).ok()?;
        }
        let codec = dom::property(&dom::window()?.into(), codec)?;
        let ask: Function = dom::property(&codec, "isConfigSupported")?.dyn_into().ok()?;
        ask.call1(&codec, &given).ok()?.dyn_into::<Promise>().ok()
    };
    let Some(asked) = ask() else { return false };
    let answer = JsFuture::from(asked).await.ok();
    answer.and_then(|answer| dom::property(&answer, "supported")?.as_bool()).unwrap_or_default()
}
