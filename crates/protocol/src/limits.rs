//! Deadlines, sizes and rates of the protocol, each with its reason.

use std::time::Duration;

/// How long a call rings before it ends as `unanswered`: about eight rings, as telephones do.
pub const RING_TIMEOUT: Duration = Duration::from_secs(45);

/// From `accept` to `confirm`. Long, because the browser's permission dialogs fall into it.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

/// From `confirm` to `calling`. Short, because no person is involved: the client only creates the answer.
pub const CALLING_TIMEOUT: Duration = Duration::from_secs(15);

/// From `calling` to flowing media; then the call has failed.
///
/// Clients enforce it, since only they see the media. Browsers take up to 15 s to try all paths, and nobody should wait 20 s for
/// a call that cannot be connected.
pub const MEDIA_TIMEOUT: Duration = Duration::from_secs(18);

/// Upper bound on the state `ending`, however long a client takes to release its devices.
pub const ENDING_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the server keeps a call whose member lost its WebSocket, so that the member can claim it.
pub const CLAIM_WINDOW: Duration = Duration::from_secs(30);

/// How long the server reserves a name for the user whose WebSocket was lost.
pub const NAME_RESERVATION: Duration = Duration::from_secs(30);

/// How long a new WebSocket may take to send `hello`.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server collects presence changes before it sends them, so that a burst is encoded once for all clients.
/// Too short for people to notice.
pub const PRESENCE_BATCH_DELAY: Duration = Duration::from_millis(40);

/// Changes of one user's state that are sent to others at once. Setting up a call and ending it are four.
pub const PRESENCE_BURST: u32 = 40;

/// Interval between one user's further changes. Those in between are merged into the last.
pub const PRESENCE_INTERVAL: Duration = Duration::from_millis(500);

/// Calls to one user that may follow one another at once, while that user accepts none: more than a person tries who
/// knows that somebody is there.
pub const CALLS_TO_ONE_USER: u32 = 5;

/// How long a call to one user that was not accepted counts.
pub const CALL_COUNTS_FOR: Duration = Duration::from_secs(60);

/// Calls to anybody that may follow one another at once, while they are not accepted.
pub const CALLS_TO_ANYBODY: u32 = 20;

/// How long a call counts among those to anybody. A person who looks for somebody who answers needs longer for each.
pub const CALL_TO_ANYBODY_COUNTS_FOR: Duration = Duration::from_secs(10);

/// Pause before the next call, when as many count as may follow one another at once. It doubles with each further one.
pub const FIRST_CALL_PAUSE: Duration = Duration::from_secs(5);

/// How long a WebSocket may be silent before the server sends a ping frame (RFC 6455, section 5.5.2).
///
/// Browsers answer it even for frozen pages. It also keeps the connection open in proxies and home routers, which drop
/// idle ones after 30 to 60 s.
pub const PING_INTERVAL: Duration = Duration::from_secs(8);

/// How long a WebSocket may stay silent, pongs included, before the server counts it as lost: [`PING_INTERVAL`] and time
/// for a pong that TCP has to repeat.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a client waits for any message before it sends `ping`, since pages do not see the server's ping frames.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// How long a client waits for the answer to `ping` before it reconnects: with [`HEARTBEAT_INTERVAL`], a person learns of
/// a silent loss within 15 s.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest name, in characters after normalization. An emoji counts as one, however many it consists of.
pub const MAX_NAME_CHARS: usize = 40;

/// The longest name, in bytes of UTF-8 after normalization: four for each character. Emoji may have thirty and more.
pub const MAX_NAME_BYTES: usize = 4 * MAX_NAME_CHARS;

/// The longest secret, in bytes of UTF-8. More than any passphrase, and cheap to hash.
pub const MAX_SECRET_BYTES: usize = 1024;

/// The largest message in bytes, in both directions, except the server's rosters. A session description with many
/// candidates and codecs has 10 to 20 KiB.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Sustained rate of messages that a connection may send.
pub const MESSAGES_PER_SECOND: u32 = 50;

/// Burst of messages that a connection may send: a machine with many network interfaces gathers all its candidates at
/// once.
pub const MESSAGE_BURST: u32 = 200;

/// Bytes that one member of a call may have relayed to the other at once: the largest description, and all candidates of a
/// machine with many interfaces several times over.
pub const RELAYED_BURST_BYTES: usize = 256 * 1024;

/// Sustained rate of relayed bytes. A call on a network that changes every few seconds sends half of it.
pub const RELAYED_BYTES_PER_SECOND: u32 = 16 * 1024;

/// Bytes that a relayed message costs at least: small ones burden a slow reader too.
pub const MIN_RELAYED_BYTES: usize = 512;

/// Messages queued for a slow reader before the server replaces what it missed by a fresh roster.
pub const OUTBOX_CAPACITY: usize = 256;

/// Candidates that a client holds back until the remote description is set.
pub const MAX_HELD_CANDIDATES: usize = 256;

/// Default for the number of users online up to which every client is sent the whole roster.
pub const WHOLE_ROSTER_USERS: usize = 1_000;

/// Names that a client can watch: more favourites than a person looks after, and little memory for the server.
pub const MAX_WATCHED_NAMES: usize = 64;

/// Users that a search returns at most: more than a person reads before typing another letter.
pub const MAX_SEARCH_RESULTS: usize = 50;

/// Minimum interval between two answers to `watch`. The server delays an earlier `watch` until then and drops it if a
/// newer one arrives, so that it searches no more often than a person can read.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Minimum interval between two `total`s that are sent to clients with a partial roster.
pub const TOTAL_INTERVAL: Duration = Duration::from_secs(5);
