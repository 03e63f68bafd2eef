//! The sentences in Simplified Chinese.

use hutong_core::{
    CallDirection, CallFailure, CallOutcome, CallPhase, MediaProblem, PathsTried, host_messages::AppProblem,
};
use hutong_protocol::{EndReason, ErrorCode, MediaKind, RefusedCode, UserState};

use super::Texts;
use crate::media::{CallPath, DeviceKind};

/// Every sentence in Simplified Chinese.
pub static TEXTS: Texts = Texts {
    app_name: "互通",
    tagline: "看看谁在线，直接通话。",
    switch_to_this: "切换到中文",

    your_name: "你的名字",
    invitation_outdated: "这个链接已失效。请向对方要一个新链接，或输入访问密钥。",
    secret: "访问密钥或密码",
    name_hint: "在线的人都会看到这个名字。不用注册，也不用密码。",
    enter: "进入",
    entering: "正在进入…",
    server_away: "服务器没有回应，互通会不断重试。请检查网络，或向服务器管理员确认服务器是否已开启。",
    socket_refused: "服务器有回应，但拒绝连接，互通会不断重试。如果服务器由您管理，请查看它的日志。",
    refused,
    cancel: "取消",
    not_remembered: "不要在这里记住我",
    end_other_call: "结束那个通话，在这里进入",

    other_tab_title: "互通已在另一个标签页打开",
    other_tab: "请在那个标签页使用，或在这里继续。",
    other_tab_as: |name| format!("你在那里的名字是{name}。请在那个标签页使用互通，或在这里继续。"),
    other_tab_in_call: "你正在那里通话，在这里继续会中断通话。请到那个标签页，或先在那里挂断。",
    move_here: "在这里继续",
    use_tab_alone: "在这里用别的名字进入",

    ring_ask: "只有这个页面在最前面时，来电才会响铃。允许通知后，在别处也能看到来电；点通知就会回到这个页面。",
    ring_allow: "允许通知",
    ring_denied: "只有这个页面在最前面时，来电才会响铃：浏览器阻止了通知。请在浏览器里为这个页面允许通知，然后刷新。",
    ring_unsupported: "只有这个页面在最前面时，来电才会响铃。",
    close_question: "关闭窗口后还能接到来电吗？",
    close_question_hint: "保持在线时，只要电脑开着，来电就会响铃。通过托盘图标可以重新打开窗口；没有托盘时，窗口会最小化。以后可以在设置中更改。",
    close_stay: "保持在线",
    close_quit: "退出互通",
    stay_reachable: "关闭窗口后保持在线",
    stay_reachable_hint: "互通会留在托盘中或最小化，来电照常响铃。",
    missed_calls: |calls| format!("{calls} 个未接来电"),
    recent_calls: "最近通话",
    clear: "清空",
    call_outcome,
    not_online: |name| format!("{name}现在不在线"),
    tried_to_call: |name| format!("{name}刚才想呼叫你。通话结束后可以回拨。"),

    remembered: "这个浏览器会记住你，直到你退出；名字、收藏和最近通话会保留更久。",
    remembered_in_app: "互通会在这台设备上记住你的名字、收藏和最近通话。",
    remembered_in_tab: "关闭这个标签页后，就不再记得你。",
    forget_device: "在这台设备上忘记我",

    outdated: "服务器上有新版本的互通。请刷新以更新。",
    reload: "刷新",

    not_secure_title: "通话需要使用安全地址",
    not_secure: "当前页面通过 http 打开，浏览器不允许使用摄像头和麦克风。请改用下面的安全地址。如果服务器使用自己签发的证书，\
                 浏览器第一次会给出警告：点“高级”或“显示详细信息”，再选择继续访问即可。",
    not_secure_link: "打开",

    people_online: "当前在线",
    people: |count| format!("{count} 人"),
    search: "搜索用户",
    favourite: |name| format!("收藏{name}"),
    nobody_found: |query| format!("在线的人中，没有谁的名字里有“{query}”。"),
    alone_title: "没有其他人在线",
    alone: "请邀请别人加入这个服务器。有人进入后会立刻出现在这里，你就可以呼叫对方。",
    state: |state| match state {
        UserState::Online => "在线",
        UserState::Offline => "离线",
        UserState::Connecting => "通话连接中",
        UserState::InCall => "通话中",
        UserState::Ending => "通话结束中",
    },
    state_reconnecting: "正在重连",
    call_video: |name| format!("与{name}视频通话"),
    call_voice: |name| format!("与{name}语音通话"),
    video: "视频",
    voice: "语音",
    log_out: "退出",
    logged_in_as: |name| format!("你的名字是{name}"),

    invite_title: "邀请别人",
    invite: "任何人打开这个地址都可以进入：",
    invite_loopback: "这个地址只能在这台电脑上使用。要邀请别人，请改用这台电脑在局域网中的地址打开本页。",
    copy: "复制",
    copied: "已复制",
    qr_code: |address| format!("{address} 的二维码"),

    call_with: |name| format!("与{name}的通话"),
    phase,
    incoming: |media| match media {
        MediaKind::Video => "视频来电",
        MediaKind::Voice => "语音来电",
    },
    incoming_title: |name| format!("{name}来电"),
    answer: "接听",
    accept_video: "视频接听",
    accept_voice: "语音接听",
    decline: "拒绝",
    hang_up: "挂断",
    cancel_call: "取消呼叫",
    mute: "静音",
    camera_off: "关摄像头",
    share_screen: "共享屏幕",
    stop_screen: "停止共享",
    settings: "设备",
    camera: "摄像头",
    microphone: "麦克风",
    speaker: "扬声器",
    no_device: |kind| match kind {
        DeviceKind::Camera => "没有找到摄像头",
        DeviceKind::Microphone => "没有找到麦克风",
        DeviceKind::Speaker => "没有找到扬声器",
    },
    you: "你",
    your_screen: "你的屏幕",
    local_video: "你自己的画面",
    remote_video: |name| format!("{name}的画面"),
    remote_screen: |name| format!("{name}的屏幕"),
    remote_muted: |name| format!("{name}已静音"),
    remote_camera_off: |name| format!("{name}关闭了摄像头"),
    camera_held: "摄像头正被电话或其他应用占用，对方暂时看不到你。画面会自动恢复；如果没有恢复，请把摄像头关掉再打开。",
    microphone_held: "麦克风正被电话或其他应用占用，对方暂时听不到你。声音会自动恢复；如果没有恢复，请静音后再取消静音。",
    camera_lost: "摄像头无法使用。请插好摄像头，关闭正在使用它的其他程序，或在浏览器中允许使用；然后在这里打开。",
    microphone_lost: "麦克风断开了，对方听不到你。请接上麦克风；如果它被其他应用占用，请关闭那个应用，再点这里的“静音”。",
    screen_lost: "没能共享屏幕。请在系统的隐私设置中允许共享，然后重试。",
    tap_to_play: "点按以播放画面和声音",

    details: "通话详情",
    close: "关闭",
    received: "接收",
    sent: "发送",
    resolution: "分辨率",
    frames: "帧率",
    bitrate: "码率",
    loss: "丢包率",
    round_trip: "往返时延",
    path: "连接方式",
    call_path: |path| match path {
        CallPath::Direct(None) => "直连".to_owned(),
        CallPath::Direct(Some(protocol)) => format!("直连（{}）", protocol.name()),
        CallPath::Relayed(None) => "中继".to_owned(),
        CallPath::Relayed(Some(protocol)) => format!("中继（{}）", protocol.name()),
        CallPath::RelayedByOtherSide => "经对方的中继".to_owned(),
    },

    ended,
    call_failed,
    cannot_call: |state, name| match state {
        UserState::Online => format!("刚才没能呼叫{name}，请重试。"),
        UserState::Offline => format!("{name}已经离线。"),
        UserState::Connecting => format!("{name}正在接通另一个通话，请稍后再试。"),
        UserState::InCall => format!("{name}正在另一个通话中，请等对方通话结束后再试。"),
        UserState::Ending => format!("{name}正在结束另一个通话，请过几秒再试。"),
    },
    media,
    error,
    call_again: |name| format!("再次呼叫{name}"),
    remote_no_microphone: |name| format!("{name}没有麦克风：对方能看到、听到你，但你听不到对方"),
    no_common_video: |name| format!("没有视频：这台设备和{name}的设备没有共同的视频格式。可以通话。"),
    no_microphone: "你没有麦克风，对方听不到你。随时可以接上一个。",
    mirror: "镜像显示自己的画面",
    voice_instead: |name| format!("改用语音呼叫{name}"),
    dismiss: "知道了",

    reconnecting: "与服务器的连接断开了，正在重新连接…",
    reconnecting_in_call: "与服务器的连接断开了，正在重新连接。通话不受影响。",
    no_calls: "这个窗口不能通话，因为系统自带的网页组件不支持 WebRTC。这里可以看到谁在线；要通话，请用 Chrome、Firefox 或 Edge 打开服务器地址。",

    server_title: "服务器",
    server_is_embedded: "正在使用本应用内置的服务器。",
    server_is_other: |address| format!("正在使用 {address}。"),
    server_is_none: "请先输入服务器地址。",
    share: "让别人加入",
    share_hint: "向局域网中的其他设备开放本应用内置的服务器。",
    share_how: "别人用浏览器打开这个地址，或用手机扫描二维码，即可加入。证书由这台电脑自己签发，所以浏览器会警告一次，选择继续访问即可。互通应用不会警告，因为地址里的密钥能识别这台电脑。",
    require_access_key: "只有拿到地址的人才能加入",
    require_access_key_hint: "开启后，地址和二维码里会带有访问密钥，没有它就无法加入。开启或关闭时，所有人都会断开连接。每次开启都会生成新密钥，以前的地址随即失效。",
    share_fingerprint: "证书的 SHA-256 指纹，可与浏览器警告中显示的指纹核对：",
    port_taken: |wanted, port| format!("端口 {wanted} 已被其他程序占用，互通改用端口 {port}。"),
    other_server: "其他服务器的地址",
    use_server: "使用这个服务器",
    use_embedded: "使用内置服务器",
    autostart: "开机时启动",
    autostart_hint: "登录这台电脑后，互通会在后台启动，别人随时可以呼叫你。",
    links_offer: "这台电脑上还没有程序能打开呼叫链接（hutong:…）。要用这个应用打开吗？",
    links_accept: "用它打开",
    links_decline: "不用",
    open_links: "打开呼叫链接",
    open_links_hint: "点击以 hutong: 开头的链接会打开这个应用，确认后才会呼叫。",
    call_link: |name, server| format!("要在 {server} 上呼叫{name}吗？"),
    call_link_moves: "这是一个链接请求的通话。如果同意，互通会离开现在的服务器，用同一个名字进入这个服务器。请只在知道链接来源时同意。",
    call_link_offline: |name, server| format!("{name}目前没有进入 {server}。请让对方打开互通，然后再试。"),
    call_link_login: |name, server| format!("请输入名字进入 {server}，然后就可以呼叫{name}。"),
    call_link_call: "呼叫",
    call_here: |name| format!("要呼叫{name}吗？"),
    call_here_login: |name| format!("请输入你的名字，然后就可以呼叫{name}。"),
    call_here_offline: |name| format!("{name}现在不在线。等对方上线后，就可以在这里呼叫。"),
    copy_own_link: "复制呼叫我的链接",
    own_link: "呼叫我的链接",
    app_problem,
};

fn refused(code: RefusedCode) -> &'static str {
    match code {
        RefusedCode::NameInvalid => "这个名字不能用。请输入 1 到 40 个可见字符：文字、数字、空格、符号或表情都可以。",
        RefusedCode::NameTaken => "已经有在线的人用了这个名字。请换一个，或在后面加几个字。",
        RefusedCode::TicketInvalid => "上次的登录已经失效。请重新进入。",
        RefusedCode::Replaced => {
            "你已在另一个标签页或设备上进入，这个页面因此退出了。要在这里继续，请重新进入。如果不是你本人，请让服务器管理员更改密码。"
        }
        RefusedCode::InCallElsewhere => "你正在另一台设备上通话。如果在这里进入，那边的通话会结束，那台设备会退出。",
        RefusedCode::Version => "页面与服务器的版本不一致。请刷新页面；如果用的是应用，请更新应用。",
        RefusedCode::SecretRequired => {
            "进入这个服务器需要访问密钥，或这个名字的密码。请在名字下面输入；没有的话，请向服务器管理员索取。"
        }
        RefusedCode::SecretWrong => "访问密钥或密码与这个名字不符。请重新输入，或询问服务器管理员。",
        RefusedCode::SecretChanged => {
            "访问密钥或密码已经更改，所以你已退出。请输入新的；没有的话，请向服务器管理员索取。"
        }
        RefusedCode::NotWelcome => "服务器不允许这个名字或这个网络进入。如果弄错了，请联系服务器管理员。",
        RefusedCode::TooMany => "刚才从你的网络进入的人太多，或密钥输错的次数太多。互通会不断重试，可能要等几分钟。",
        RefusedCode::Full => "服务器人数已满。互通会不断重试，等有人离开即可进入。",
        RefusedCode::HelloTimeout => "连接太慢，没能及时进入。互通正在重试。",
        RefusedCode::RateLimited => "这台设备在短时间内发送的消息太多，服务器因此断开了连接。互通会自动重试。",
        RefusedCode::TooLarge => "有一条消息太大，被服务器拒绝了。请刷新页面，或重新打开应用。",
        RefusedCode::TooSlow => "你的网络太慢，来不及接收服务器的消息。互通正在重试，换个更好的网络会有帮助。",
        RefusedCode::BadFrame => "这台设备与服务器之间的数据在途中受损。请换一个网络再试。",
        RefusedCode::ShuttingDown => "服务器正在重启。互通稍后会自动重新连接。",
        RefusedCode::Unknown => "服务器拒绝了登录。请刷新页面，或重新打开应用，然后再试。",
    }
}

fn phase(phase: CallPhase, media: MediaKind, name: &str) -> String {
    let devices = match media {
        MediaKind::Video => "麦克风和摄像头",
        MediaKind::Voice => "麦克风",
    };
    match phase {
        CallPhase::Acquiring => format!("如果弹出询问，请允许使用{devices}…"),
        CallPhase::Offering => format!("正在呼叫{name}…"),
        CallPhase::Ringing => format!("{name}的设备正在响铃…"),
        CallPhase::Incoming => format!("{name}正在呼叫你"),
        CallPhase::Accepting => format!("正在接听。如果弹出询问，请允许使用{devices}…"),
        CallPhase::Connecting => "正在接通…".to_owned(),
        CallPhase::Connected => format!("正在与{name}通话"),
        CallPhase::Reconnecting => "通话中断，正在重连…".to_owned(),
        CallPhase::Ending => "正在挂断…".to_owned(),
    }
}

const fn call_outcome(direction: CallDirection, outcome: CallOutcome) -> &'static str {
    match (direction, outcome) {
        (_, CallOutcome::Answered) => "已接通",
        (CallDirection::Incoming, CallOutcome::Unanswered) => "未接",
        (CallDirection::Outgoing, CallOutcome::Unanswered) => "无人接听",
        (_, CallOutcome::WhileBusy) => "通话中未接",
        (_, CallOutcome::Declined) => "已拒绝",
        (_, CallOutcome::Cancelled) => "已取消",
        (_, CallOutcome::Failed) => "未能接通",
    }
}

fn ended(reason: EndReason, name: &str) -> String {
    match reason {
        EndReason::Hangup => format!("{name}已挂断。"),
        EndReason::Declined => format!("{name}拒绝了通话。"),
        EndReason::Cancelled => format!("{name}在你接听前取消了呼叫。你可以回拨。"),
        EndReason::Unanswered => format!("{name}没有接听，请稍后再试。"),
        EndReason::Timeout => format!("与{name}的通话迟迟没有接通，请重新呼叫。"),
        EndReason::Failed => format!("没能与{name}建立音视频连接。请重新呼叫；如果还是不行，请其中一方换个网络再试。"),
        EndReason::Gone => format!("{name}断线了。请等对方重新在线后再呼叫。"),
        EndReason::Busy => format!("{name}已在另一个通话中，请稍后再试。"),
        EndReason::Unknown => format!("与{name}的通话已结束。"),
    }
}

fn call_failed(failure: CallFailure, name: &str) -> String {
    match failure {
        CallFailure::ServerLost => format!("与服务器的连接中断，与{name}的通话无法继续。请重新呼叫。"),
        CallFailure::MediaLost => {
            format!("与{name}的连接中断，没能恢复。请重新呼叫；如果再次中断，请其中一方换个网络再试。")
        }
        CallFailure::NoPath { tried } => format!("没能与{name}接通：{}", no_path(tried)),
    }
}

const fn no_path(tried: PathsTried) -> &'static str {
    match tried {
        PathsTried::Nothing => {
            "这台设备没有找到可用的网络地址。请检查网络，并确认没有浏览器扩展或管理策略屏蔽 WebRTC，然后重新呼叫。"
        }
        PathsTried::Direct => {
            "你们的设备之间无法直连（网络不同，或被防火墙、VPN、访客 Wi-Fi 隔开），而这台服务器没有提供中继。请连到同一个没有这些限制的网络，或请服务器的管理员设置中继（TURN）。"
        }
        PathsTried::DirectRelaySilent => {
            "你们的网络之间无法直连，服务器的中继也没有应答这台设备。请换个网络再试，或请服务器的管理员检查中继（TURN）及其端口。"
        }
        PathsTried::DirectAndRelay => {
            "直连和服务器的中继都没有成功。请换个网络再试，或请服务器的管理员检查中继（TURN）。"
        }
        PathsTried::LocalNetworkBlocked => {
            "浏览器不让本页面访问本地网络中的设备。请在网址旁的网站设置里允许“本地网络访问”，然后重新呼叫。"
        }
    }
}

fn media(problem: MediaProblem) -> &'static str {
    match problem {
        MediaProblem::CameraDenied => {
            "互通没有使用摄像头的权限。请点地址栏里的锁或摄像头图标，或到系统的隐私设置中允许，然后重新呼叫。"
        }
        MediaProblem::MicrophoneDenied => {
            "互通没有使用麦克风的权限，无法通话。请点地址栏里的锁或麦克风图标，或到系统的隐私设置中允许，然后重新呼叫。"
        }
        MediaProblem::NotAllowedYet => "浏览器询问摄像头和麦克风时没有选择“允许”。请再次呼叫，并选择允许。",
        MediaProblem::CameraMissing => "没有找到摄像头。请接上后重新呼叫。",
        MediaProblem::MicrophoneMissing => "没有找到麦克风，无法通话。请接上后重新呼叫。",
        MediaProblem::CameraInUse => "摄像头打不开。请关闭正在使用它的其他程序，或重新插拔后再呼叫。",
        MediaProblem::MicrophoneInUse => "麦克风打不开。请关闭正在使用它的其他程序，或重新插拔后再呼叫。",
        MediaProblem::NotSecure => {
            "当前页面通过 http 打开，浏览器不允许使用摄像头和麦克风。请在地址前加上 https:// 重新打开，越过证书警告后再呼叫。"
        }
        MediaProblem::NotSupported => "这个窗口不能通话。请用新版的 Chrome、Firefox、Safari 或 Edge 打开互通。",
        MediaProblem::VideoCodecMissing => {
            "这台电脑缺少处理视频的组件，无法通话。请安装软件包 gstreamer1.0-plugins-good（Fedora：gstreamer1-plugins-good），\
             重新打开互通后再呼叫。"
        }
        MediaProblem::AudioCodecMissing => {
            "这台电脑缺少处理声音的组件，无法通话。请安装软件包 gstreamer1.0-plugins-base（Fedora：gstreamer1-plugins-base），\
             重新打开互通后再呼叫。"
        }
        MediaProblem::Engine => "通话没能建立。请重新呼叫；如果还是不行，请刷新页面，或重新打开应用。",
    }
}

fn error(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::NotOnline => "对方已经离线。",
        ErrorCode::Busy | ErrorCode::Crossed => "对方正忙，请稍后再试。",
        ErrorCode::TooManyCalls => "呼叫次数太多，对方都没有接听。请等一两分钟再试。",
        ErrorCode::SelfCall => "不能呼叫自己。想试试通话，可以在另一台设备上打开互通。",
        ErrorCode::NoCall | ErrorCode::WrongStep | ErrorCode::TicketInvalid => "那个通话已经结束，请重新呼叫。",
        ErrorCode::RateLimited => "操作太频繁了，请稍等片刻再试。",
        ErrorCode::Malformed | ErrorCode::UnknownType | ErrorCode::NotNow | ErrorCode::Unknown => {
            "服务器没能理解一个请求。请刷新页面，或重新打开应用，然后再试。"
        }
    }
}

fn app_problem(problem: AppProblem) -> &'static str {
    match problem {
        AppProblem::AddressInvalid => {
            "地址格式不对，或者不完整。请输入类似 calls.example 或 192.168.1.20:8017 的地址，或重新复制完整的邀请地址。"
        }
        AppProblem::AddressNotSecure => "在局域网以外，互通只用 https 连接。请输入以 https:// 开头的地址。",
        AppProblem::EmbeddedFailed => {
            "本应用内置的服务器没有运行。请关闭本应用的其他窗口后重新打开，或使用其他服务器。"
        }
        AppProblem::NoNetwork => "这台电脑没有连接网络。请连接 Wi-Fi 或网线，地址随后会自动显示在这里。",
        AppProblem::LinkInvalid => {
            "打开的链接无法识别。请向对方要一个新的链接，例如 hutong://call/Ana?server=calls.example。"
        }
        AppProblem::ServerKeyChanged => {
            "服务器的密钥与上次不同，可能有别的电脑冒充这个服务器，所以互通没有连接。请向服务器管理员确认；如果服务器确实重装过，\
             请使用新的邀请，或重新输入一次地址。"
        }
        AppProblem::ServerKeyWrong => {
            "服务器的密钥与邀请中的不一致，可能有别的电脑冒充这个服务器，所以互通没有连接。请向邀请你的人要一个新的邀请；\
             如果仍然不行，请不要使用这个网络。"
        }
        AppProblem::LinkKeyDiffers => {
            "链接中的服务器密钥与互通已知的不同，所以互通没有打开它。请向服务器管理员要邀请地址，并自己输入。"
        }
        AppProblem::LinksNotChanged => "没能更改打开呼叫链接的程序。请检查磁盘空间和个人文件夹的写入权限，然后再试。",
        AppProblem::AutostartFailed => "系统没有接受这个更改。请在系统设置的开机启动项中查找 Hutong。",
        AppProblem::NotSaved => "你的选择没能保存，下次启动会恢复原样。请检查磁盘空间和个人文件夹的写入权限。",
        AppProblem::SettingsUnreadable => {
            "设置文件无法读取，互通改用默认设置。原文件保留在应用的数据文件夹中，名为 settings.json 或 settings.json.unreadable-1 等。\
             请重新选择服务器；以前保存的服务器密钥需要用邀请重新确认。"
        }
        AppProblem::SettingsNewer => {
            "设置是由更新版本的互通保存的。这个版本不会改动它们，你现在的更改在退出后会丢失。请更新本应用。"
        }
    }
}
