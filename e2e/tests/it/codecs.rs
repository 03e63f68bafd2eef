//! Two sides without a common video codec: the call goes on by voice, and both people read why.

use hutong_e2e::{
    Result, TestPage, TestResult,
    call_assertions::{CallMedia, ensure_media_flows},
    call_steps::{CallKind, MEDIA_TIMEOUT, call, wait_until_released},
    clients::{ClientKind, MicrophoneSource, log_in_pair},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

/// Has a browser's page offer and accept these video codecs only, as a device without the others does.
async fn restrict_video_codecs(page: &TestPage, codecs: &[&str]) -> Result<()> {
    let script = format!(
        "const allowed = {};
        const restrict = (connection) => {{
            for (const transceiver of connection.getTransceivers()) {{
                if (transceiver.receiver.track.kind !== 'video' || transceiver.stopped) continue;
                const all = RTCRtpReceiver.getCapabilities('video').codecs;
                transceiver.setCodecPreferences(all.filter((it) => allowed.includes(it.mimeType.split('/')[1])));
            }}
        }};
        for (const name of ['createOffer', 'createAnswer']) {{
            const create = RTCPeerConnection.prototype[name];
            RTCPeerConnection.prototype[name] = function (...options) {{
                restrict(this);
                return create.apply(this, options);
            }};
        }}
        return RTCRtpReceiver.getCapabilities('video').codecs.some((it) => allowed.includes(it.mimeType.split('/')[1]))",
        serde_json::json!(codecs)
    );
    ensure!(page.run::<bool>(&script).await?, "{}: the browser has none of {codecs:?}", page.name());
    Ok(())
}

/// Waits until the page says that there is no video, has released its camera, and offers no button for video.
async fn says_why_there_is_no_video(page: &TestPage) -> Result<()> {
    page.wait_until("the reason", MEDIA_TIMEOUT, "return one('no-common-video')").await?;
    let released = "return e2e.tracks.every((track) => track.kind !== 'video' || track.readyState !== 'live')";
    page.wait_until("the camera to be released", UI_TIMEOUT, released).await?;
    page.wait_until("no button for video", UI_TIMEOUT, "return !one('camera') && !one('screen') && one('mute')").await
}

/// Calls by video, and checks that it is a voice call for both.
async fn is_a_voice_call(caller: &TestPage, called: &TestPage) -> Result<()> {
    call(caller, called, CallKind::Video).await?;
    for page in [caller, called] {
        says_why_there_is_no_video(page).await?;
    }
    ensure_media_flows(caller, called, CallMedia::Audio).await?;
    caller.press("hang-up").await?;
    wait_until_released(caller, called).await
}

#[tokio::test]
async fn browsers_without_a_common_video_codec_talk() -> TestResult {
    scenario("codecs_browsers", async |env| {
        let [ana, bo] = log_in_pair(env, [ClientKind::Chromium; 2], MicrophoneSource::SyntheticVoice, None).await?;
        restrict_video_codecs(&ana.page, &["VP8"]).await?;
        restrict_video_codecs(&bo.page, &["VP9"]).await?;
        is_a_voice_call(&ana.page, &bo.page).await?;
        is_a_voice_call(&bo.page, &ana.page).await
    })
    .await
}

#[tokio::test]
async fn the_app_and_a_browser_without_vp8_talk() -> TestResult {
    scenario("codecs_app", async |env| {
        let kinds = [ClientKind::App, ClientKind::Chromium];
        let [ana, bo] = log_in_pair(env, kinds, MicrophoneSource::SyntheticVoice, None).await?;
        restrict_video_codecs(&bo.page, &["H264", "VP9"]).await?;
        is_a_voice_call(&ana.page, &bo.page).await?;
        is_a_voice_call(&bo.page, &ana.page).await
    })
    .await
}
