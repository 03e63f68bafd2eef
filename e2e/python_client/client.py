#!/usr/bin/env python3
"""A second implementation of the protocol, written from docs/PROTOCOL.md alone: it logs in, answers calls, and hangs up.

It accepts every call with a test image and a test tone (aiortc), or declines it. On standard output it reports, one JSON object a
line, its WebSocket messages and its media:

    {"sent": {"type": "hello", ...}}       a message to the server
    {"received": {"type": "welcome", ...}} a message from the server
    {"connection_state": "connected"}      the peer connection's state
    {"video_frames": 25}                   number of received frames of either kind, at every 25th
    {"audio_frames": 50}

Session descriptions, tickets and secrets are left out. The variable HUTONG_SECRET holds the server's access key or the password of
the name. Needs Python 3.11, websockets and aiortc (Debian: python3-websockets, python3-aiortc).
"""

import argparse
import array
import asyncio
import json
import math
import os
import re

import websockets
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack, VideoStreamTrack
from aiortc.sdp import candidate_from_sdp
from av import VideoFrame

SUBPROTOCOL = "hutong.v1"
OPEN_TIMEOUT = 10  # seconds
REPORT_EVERY = 25  # frames


def report(**event):
    print(json.dumps(event, ensure_ascii=False), flush=True)


def browser_compatible(sdp):
    """Adapts an offer of aiortc 1.4 to what browsers accept.

    aiortc uses one ID for two header extensions in one bundle, which RFC 9143 (section 8) forbids: both are removed. It describes the
    data channel as before RFC 8841.
    """
    lines = [line for line in sdp.splitlines() if not line.startswith("a=extmap:2 ")]
    sdp = "".join(line + "\r\n" for line in lines)
    sdp = re.sub(r"(?m)^(m=application \d+) DTLS/SCTP 5000", r"\1 UDP/DTLS/SCTP webrtc-datachannel", sdp)
    return re.sub(r"(?m)^a=sctpmap:5000 [^\r\n]*", "a=sctp-port:5000", sdp)


def redacted(message):
    return {key: "…" if key in ("sdp", "ticket", "resume", "secret", "ice_servers") else value for key, value in message.items()}


class Tone(AudioStreamTrack):
    """Audio track with a tone of 400 Hz: the library's own track is silent."""

    async def recv(self):
        frame = await super().recv()
        # A frame of 20 ms holds eight whole periods: frames join without a click.
        step = 2 * math.pi * 400 / frame.sample_rate
        tone = array.array("h", (round(8000 * math.sin(step * index)) for index in range(frame.samples)))
        [plane] = frame.planes
        plane.update(tone.tobytes().ljust(plane.buffer_size, b"\0"))
        return frame


class TestImage(VideoStreamTrack):
    """Video track with a small image, ten frames a second: the library's own test image, drawn in Python, keeps a processor busy."""

    async def recv(self):
        for _ in range(3):
            pts, time_base = await self.next_timestamp()
        frame = VideoFrame(width=320, height=180)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts = pts
        frame.time_base = time_base
        return frame


class CountingTrack(MediaStreamTrack):
    """Wrapper of a remote track that counts its frames."""

    def __init__(self, track, client):
        super().__init__()
        self.kind = track.kind
        self.track = track
        self.client = client
        self.name = "video_frames" if track.kind == "video" else "audio_frames"
        self.count = 0

    async def recv(self):
        frame = await self.track.recv()
        self.count += 1
        if self.count % REPORT_EVERY == 0:
            report(**{self.name: self.count})
        if self.name == "video_frames" and self.count == self.client.arguments.hang_up_after:
            # As a new task: hanging up cancels the task that runs this method.
            self.client.ending = asyncio.create_task(self.client.hang_up("hangup"))
        return frame


class Call:
    """One incoming call, from the offer to the release of its media."""

    def __init__(self, client, message):
        self.client = client
        self.id = message["call"]
        self.pc = None
        self.sink = MediaBlackhole()
        self.candidates = []
        self.answer = None
        self.has_remote_description = False

    async def accept(self):
        await self.client.send(type="accept", call=self.id, media="video")
        servers = [
            RTCIceServer(urls=server["urls"], username=server.get("username"), credential=server.get("credential"))
            for server in self.client.ice_servers
        ]
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self.pc.on("connectionstatechange", lambda: report(connection_state=self.pc.connectionState))
        self.pc.on("track", lambda track: self.sink.addTrack(CountingTrack(track, self.client)))
        # One audio and one video section, both sendrecv, and the data channel with the mute states.
        self.pc.addTrack(Tone())
        self.pc.addTrack(TestImage())
        channel = self.pc.createDataChannel("hutong.status", negotiated=True, id=0)
        channel.on("open", lambda: channel.send('{"microphone":true,"camera":true}'))
        await self.pc.setLocalDescription(await self.pc.createOffer())
        # aiortc gathers all candidates first and writes them into the description.
        await self.client.send(type="confirm", call=self.id, sdp=browser_compatible(self.pc.localDescription.sdp))
        await self.client.send(type="candidate", call=self.id, candidate={"candidate": ""})

    async def set_answer(self, sdp):
        self.answer = sdp
        await self.connect()

    async def add_candidate(self, candidate):
        text = candidate["candidate"].removeprefix("candidate:")
        # mDNS names (RFC 8839, section 5.1.1) are not resolved here.
        if not text or not re.fullmatch(r"[0-9a-fA-F.:]+", text.split()[4]):
            return
        if not self.has_remote_description:
            self.candidates.append(text)
            return await self.connect()
        ice = candidate_from_sdp(text)
        ice.sdpMid = candidate.get("sdpMid")
        ice.sdpMLineIndex = candidate.get("sdpMLineIndex")
        await self.pc.addIceCandidate(ice)

    async def connect(self):
        """Sets the answer once there is a candidate: without one aiortc fails at once."""
        if not self.answer or not self.candidates:
            return
        self.has_remote_description = True
        # All sections are bundled on the first one's transport: its candidates apply to all.
        head, mark, rest = self.answer.partition("m=")
        first, *others = rest.split("\r\nm=")
        first = "\r\na=candidate:".join([first.rstrip("\r\n"), *self.candidates])
        sdp = head + mark + "\r\nm=".join([first, *others])
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp if others else sdp + "\r\n", "answer"))
        await self.sink.start()

    async def release(self):
        if self.pc:
            await self.sink.stop()
            await self.pc.close()
        await self.client.send(type="released", call=self.id)


class Client:
    """A login on one WebSocket. It does not reconnect: when the socket is lost, its calls end with reason `gone`."""

    def __init__(self, socket, arguments):
        self.socket = socket
        self.arguments = arguments
        self.me = None
        self.ice_servers = []
        self.users = {}
        self.call = None
        self.ending = None

    async def send(self, **message):
        report(sent=redacted(message))
        await self.socket.send(json.dumps(message))

    async def run(self):
        secret = {"secret": os.environ["HUTONG_SECRET"]} if "HUTONG_SECRET" in os.environ else {}
        await self.send(type="hello", name=self.arguments.name, **secret)
        async for text in self.socket:
            message = json.loads(text)
            report(received=redacted(message))
            handler = getattr(self, "on_" + message["type"], None)
            # A client ignores unknown message types.
            if handler:
                await handler(message)

    async def on_welcome(self, message):
        self.me = message["me"]
        self.ice_servers = message["ice_servers"]
        await self.on_roster(message)

    async def on_roster(self, message):
        self.users = {user["token"]: user for user in message["users"]}

    async def on_presence(self, message):
        for user in message["changes"]:
            if user["token"] == self.me["token"]:
                self.me = user
            elif user["state"] == "offline":
                self.users.pop(user["token"], None)
            else:
                self.users[user["token"]] = user

    async def on_offering(self, message):
        if self.call:
            return await self.reject_unknown_call(message)
        if self.arguments.decline:
            await self.send(type="cancel", call=message["call"], reason="declined")
            return await self.send(type="released", call=message["call"])
        self.call = Call(self, message)
        await self.call.accept()

    async def on_calling(self, message):
        if not self.is_current_call(message):
            return await self.reject_unknown_call(message)
        await self.call.set_answer(message["sdp"])

    async def on_candidate(self, message):
        if self.is_current_call(message):
            await self.call.add_candidate(message["candidate"])

    async def on_ended(self, message):
        if not self.is_current_call(message):
            return await self.send(type="released", call=message["call"])
        call, self.call = self.call, None
        await call.release()

    async def on_error(self, message):
        call_messages = ("accept", "confirm", "calling")
        if self.is_current_call(message) and message.get("about") in call_messages and message["code"] in ("no_call", "wrong_step"):
            await self.hang_up("failed")

    async def on_ringing(self, message):
        await self.reject_unknown_call(message)

    async def on_confirm(self, message):
        await self.reject_unknown_call(message)

    async def on_claimed(self, message):
        await self.reject_unknown_call(message)

    def is_current_call(self, message):
        return self.call is not None and self.call.id == message.get("call")

    async def reject_unknown_call(self, message):
        await self.send(type="cancel", call=message["call"], reason="failed")
        await self.send(type="released", call=message["call"])

    async def hang_up(self, reason):
        call, self.call = self.call, None
        if not call:
            return
        await self.send(type="cancel", call=call.id, reason=reason)
        await call.release()


async def main():
    parser = argparse.ArgumentParser(description="Logs in and answers calls.")
    parser.add_argument("server", help="such as ws://127.0.0.1:8017/ws")
    parser.add_argument("name")
    parser.add_argument("--decline", action="store_true", help="decline every call")
    parser.add_argument("--hang-up-after", type=int, metavar="FRAMES", help="hang up after so many received video frames")
    arguments = parser.parse_args()
    connection = websockets.connect(
        arguments.server, subprotocols=[SUBPROTOCOL], compression=None, open_timeout=OPEN_TIMEOUT, max_size=None
    )
    async with connection as socket:
        await Client(socket, arguments).run()


asyncio.run(main())
