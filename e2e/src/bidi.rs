//! Client of `WebDriver` `BiDi` (W3C), which Firefox speaks without a driver program.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{Context, Result, anyhow, bail};

/// Time limit of one command; longer than any wait inside a page.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(90);

/// Largest message: a screenshot in base64.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

type PendingCommands = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value>>>>>;

/// A session of a browser with one tab. Dropping it closes the connection.
#[derive(Debug)]
pub struct BidiSession {
    commands: mpsc::UnboundedSender<String>,
    pending: PendingCommands,
    next_id: AtomicU64,
    /// The tab (`browsingContext.BrowsingContext`).
    context: String,
    task: JoinHandle<()>,
}

impl BidiSession {
    /// Connects to a browser at this address, starts a session, and has the script run in each document before its own scripts.
    ///
    /// # Errors
    ///
    /// Returns an error when the browser does not answer, or refuses a command.
    pub async fn connect(address: SocketAddr, url: &str, preload: &str) -> Result<Self> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let stream = TcpStream::connect(address).await.context("connecting to the browser")?;
        let (socket, _) =
            client_async_with_config(url, stream, Some(config)).await.context("connecting to the browser")?;
        let (commands, mut queue) = mpsc::unbounded_channel::<String>();
        let pending = PendingCommands::default();
        let answers = Arc::clone(&pending);
        let task = tokio::spawn(async move {
            let (mut write, mut read) = socket.split();
            loop {
                tokio::select! {
                    command = queue.recv() => match command {
                        Some(command) => if write.send(Message::text(command)).await.is_err() { break },
                        None => break,
                    },
                    message = read.next() => match message {
                        Some(Ok(Message::Text(text))) => deliver(&answers, &text),
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => break,
                    },
                }
            }
            // Their receivers report the end.
            answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        let mut session = Self { commands, pending, next_id: AtomicU64::new(1), context: String::new(), task };
        session.send("session.new", json!({ "capabilities": {} })).await?;
        let tree = session.send("browsingContext.getTree", json!({})).await?;
        let context = tree.pointer("/contexts/0/context").and_then(Value::as_str).context("the browser has no tab")?;
        session.context = context.to_owned();
        let preload = json!({ "functionDeclaration": format!("() => {{ {preload} }}") });
        session.send("script.addPreloadScript", preload).await?;
        Ok(session)
    }

    /// Sends a command and waits for its result.
    ///
    /// # Errors
    ///
    /// Returns the browser's error, or one when it does not answer.
    pub async fn send(&self, method: &str, params: Value) -> Result<Value> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let command = json!({ "id": id, "method": method, "params": params });
        self.commands.send(command.to_string()).map_err(|_| anyhow!("{method}: the browser is gone"))?;
        let answer = timeout(COMMAND_TIMEOUT, answer).await.with_context(|| format!("{method}: no answer"))?;
        answer.map_err(|_| anyhow!("{method}: the browser is gone"))?.with_context(|| method.to_owned())
    }

    /// Navigates to a URL and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// Returns an error when loading fails.
    pub async fn navigate(&self, url: &str) -> Result<()> {
        self.send("browsingContext.navigate", json!({ "context": self.context, "url": url, "wait": "complete" }))
            .await?;
        Ok(())
    }

    /// Reloads the page and waits until it is loaded.
    ///
    /// # Errors
    ///
    /// Returns an error when loading fails.
    pub async fn reload(&self) -> Result<()> {
        self.send("browsingContext.reload", json!({ "context": self.context, "wait": "complete" })).await?;
        Ok(())
    }

    /// Runs a script body that passes its result to its last argument, as asynchronous scripts of `WebDriver` do.
    ///
    /// # Errors
    ///
    /// Returns an error when the script throws.
    pub async fn execute_async(&self, script: &str) -> Result<Value> {
        let function = format!(
            "() => new Promise((done) => (function () {{ {script} }})(done)).then((value) => JSON.stringify(value ?? null))"
        );
        let params = json!({
            "functionDeclaration": function,
            "target": { "context": self.context },
            "awaitPromise": true,
            "userActivation": false,
        });
        let result = self.send("script.callFunction", params).await?;
        if let Some(exception) = result.pointer("/exceptionDetails/text") {
            bail!("a script failed: {exception}");
        }
        let text = result.pointer("/result/value").and_then(Value::as_str).context("a script returned no JSON")?;
        Ok(serde_json::from_str(text)?)
    }

    /// Clicks the middle of the element with this selector, as a mouse does.
    ///
    /// # Errors
    ///
    /// Returns an error when there is no such element, or another one covers it.
    pub async fn click(&self, css: &str) -> Result<()> {
        let script = format!(
            r#"const it = document.querySelector({css});
            if (!it) return arguments[0](null);
            it.scrollIntoView({{ block: "center", behavior: "instant" }});
            const box = it.getBoundingClientRect();
            const [x, y] = [Math.floor(box.x + box.width / 2), Math.floor(box.y + box.height / 2)];
            arguments[0](it.contains(document.elementFromPoint(x, y)) ? {{ x, y }} : null);"#,
            css = json!(css)
        );
        let at = self.execute_async(&script).await?;
        if at.is_null() {
            bail!("{css} is missing or covered");
        }
        let actions = json!([
            { "type": "pointerMove", "x": at["x"], "y": at["y"] },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerUp", "button": 0 },
        ]);
        let source = json!({ "type": "pointer", "id": "mouse", "actions": actions });
        self.send("input.performActions", json!({ "context": self.context, "actions": [source] })).await?;
        Ok(())
    }

    /// Types text into the focused element.
    ///
    /// # Errors
    ///
    /// Returns an error when the browser refuses.
    pub async fn type_text(&self, text: &str) -> Result<()> {
        let keys: Vec<_> = text
            .chars()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })])
            .collect();
        let source = json!({ "type": "key", "id": "keyboard", "actions": keys });
        self.send("input.performActions", json!({ "context": self.context, "actions": [source] })).await?;
        Ok(())
    }

    /// A screenshot as PNG.
    ///
    /// # Errors
    ///
    /// Returns an error when the browser refuses.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let result = self.send("browsingContext.captureScreenshot", json!({ "context": self.context })).await?;
        let data = result.get("data").and_then(Value::as_str).context("no image")?;
        Ok(BASE64_STANDARD.decode(data)?)
    }
}

impl Drop for BidiSession {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes an answer to the command that waits for it. Events have no ID.
fn deliver(pending: &PendingCommands, text: &str) {
    let Ok(mut message) = serde_json::from_str::<Value>(text) else { return };
    let Some(id) = message.get("id").and_then(Value::as_u64) else { return };
    let Some(sender) = pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&id) else { return };
    let result = match message.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(anyhow!("{}: {}", message["error"], message["message"])),
    };
    // The receiver is gone when the caller was cancelled.
    let _ = sender.send(result);
}
