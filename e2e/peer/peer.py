#!/usr/bin/env python3
"""A client of Hutong, written from docs/PROTOCOL.md alone: it logs in, is called, answers, and lets go.

It takes every call with a test picture and a test tone (aiortc), or declines it, and says as JSON, one object a line on standard
output, what passes over its WebSocket and what its media does:

    {"sent": {"type": "hello", ...}}   a message to the server
    {"got": {"type": "welcome", ...}}  a message from the server
    {"media": "connected"}             the peer connection's state
    {"picture": 30} {"voice": 50}      how many pictures and pieces of voice have come, every so many

Session descriptions, tickets and secrets are left out of that. A server's access key, or the password of the name, comes in the variable
HUTONG_SECRET. Needs Python 3.11, websockets and aiortc (Debian: python3-websockets,
python3-aiortc).
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
OPENING = 10
TOLD_EVERY = 25


def tell(**what):
    print(json.dumps(what, ensure_ascii=False), flush=True)


def as_browsers_take_it(sdp):
    """This library's offer, with what its version 1.4 writes otherwise than browsers want it.

    One number stands for two header extensions in one bundle, which RFC 9143 (section 8) forbids: both are left out. And the data
    channel is described as it was before RFC 8841.
    """
    lines = [line for line in sdp.splitlines() if not line.startswith("a=extmap:2 ")]
    sdp = "".join(line + "\r\n" for line in lines)
    sdp = re.sub(r"(?m)^(m=application \d+) DTLS/SCTP 5000", r"\1 UDP/DTLS/SCTP webrtc-datachannel", sdp)
    return re.sub(r"(?m)^a=sctpmap:5000 [^\r\n]*", "a=sctp-port:5000", sdp)


def without_secrets(message):
    return {key: "…" if key in ("sdp", "ticket", "resume", "secret", "ice_servers") else value for key, value in message.items()}


class Tone(AudioStreamTrack):
    """A tone of 400 Hz: the library's own track is silent."""

    async def recv(self):
        frame = await super().recv()
        # A piece of 20 ms holds eight whole periods, so that one fits behind the other.
        step = 2 * math.pi * 400 / frame.sample_rate
        tone = array.array("h", (round(8000 * math.sin(step * place)) for place in range(frame.samples)))
        [plane] = frame.planes
        plane.update(tone.tobytes().ljust(plane.buffer_size, b"\0"))
        return frame


class Picture(VideoStreamTrack):
    """A small picture, ten times a second: the library's own, in this language, keeps a processor busy."""

    async def recv(self):
        for _ in range(3):
            pts, time_base = await self.next_timestamp()
        frame = VideoFrame(width=320, height=180)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.pts = pts
        frame.time_base = time_base
        return frame


class Counted(MediaStreamTrack):
    """A track of the other side, whose frames are counted as they are taken."""

    def __init__(self, track, client):
        super().__init__()
        self.kind = track.kind
        self.track = track
        self.client = client
        self.name = "picture" if track.kind == "video" else "voice"
        self.count = 0

    async def recv(self):
        frame = await self.track.recv()
        self.count += 1
        if self.count % TOLD_EVERY == 0:
            tell(**{self.name: self.count})
        if self.name == "picture" and self.count == self.client.arguments.hang_up_after:
            # In a task of its own: it ends the one that counts.
            self.client.ending = asyncio.create_task(self.client.hang_up("hangup"))
        return frame


class Call:
    """One call, from its ring until it is let go. This client is always its target."""

    def __init__(self, client, message):
        self.client = client
        self.id = message["call"]
        self.pc = None
        self.sink = MediaBlackhole()
        self.candidates = []
        self.answer = None
        self.is_connecting = False

    async def accept(self):
        await self.client.send(type="accept", call=self.id, media="video")
        servers = [
            RTCIceServer(urls=server["urls"], username=server.get("username"), credential=server.get("credential"))
            for server in self.client.ice_servers
        ]
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self.pc.on("connectionstatechange", lambda: tell(media=self.pc.connectionState))
        self.pc.on("track", lambda track: self.sink.addTrack(Counted(track, self.client)))
        # One audio and one video section, both ways, and the channel that tells what is switched on.
        self.pc.addTrack(Tone())
        self.pc.addTrack(Picture())
        channel = self.pc.createDataChannel("hutong.status", negotiated=True, id=0)
        channel.on("open", lambda: channel.send('{"microphone":true,"camera":true}'))
        await self.pc.setLocalDescription(await self.pc.createOffer())
        # This library gathers all candidates first, and writes them into the description.
        await self.client.send(type="confirm", call=self.id, sdp=as_browsers_take_it(self.pc.localDescription.sdp))
        await self.client.send(type="candidate", call=self.id, candidate={"candidate": ""})

    async def answered(self, sdp):
        self.answer = sdp
        await self.connect()

    async def candidate(self, candidate):
        text = candidate["candidate"].removeprefix("candidate:")
        # Names of the local network's own name service (RFC 8839, section 5.1.1) are not looked up here.
        if not text or not re.fullmatch(r"[0-9a-fA-F.:]+", text.split()[4]):
            return
        if not self.is_connecting:
            self.candidates.append(text)
            return await self.connect()
        ice = candidate_from_sdp(text)
        ice.sdpMid = candidate.get("sdpMid")
        ice.sdpMLineIndex = candidate.get("sdpMLineIndex")
        await self.pc.addIceCandidate(ice)

    async def connect(self):
        """Sets the answer, once there is a candidate: without one this library gives up at once."""
        if not self.answer or not self.candidates:
            return
        self.is_connecting = True
        # All is bundled on the first section's transport: its candidates are everybody's.
        head, mark, rest = self.answer.partition("m=")
        first, *others = rest.split("\r\nm=")
        first = "\r\na=candidate:".join([first.rstrip("\r\n"), *self.candidates])
        sdp = head + mark + "\r\nm=".join([first, *others])
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp if others else sdp + "\r\n", "answer"))
        await self.sink.start()

    async def let_go(self):
        if self.pc:
            await self.sink.stop()
            await self.pc.close()
        await self.client.send(type="released", call=self.id)


class Client:
    """A login, on one WebSocket. It does not come back when that is lost: its calls end as `gone` then."""

    def __init__(self, socket, arguments):
        self.socket = socket
        self.arguments = arguments
        self.me = None
        self.ice_servers = []
        self.users = {}
        self.call = None
        self.ending = None

    async def send(self, **message):
        tell(sent=without_secrets(message))
        await self.socket.send(json.dumps(message))

    async def run(self):
        secret = {"secret": os.environ["HUTONG_SECRET"]} if "HUTONG_SECRET" in os.environ else {}
        await self.send(type="hello", name=self.arguments.name, **secret)
        async for text in self.socket:
            message = json.loads(text)
            tell(got=without_secrets(message))
            handler = getattr(self, "on_" + message["type"], None)
            # What a client does not know it passes over.
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
            return await self.not_mine(message)
        if self.arguments.decline:
            await self.send(type="cancel", call=message["call"], reason="declined")
            return await self.send(type="released", call=message["call"])
        self.call = Call(self, message)
        await self.call.accept()

    async def on_calling(self, message):
        if not self.is_mine(message):
            return await self.not_mine(message)
        await self.call.answered(message["sdp"])

    async def on_candidate(self, message):
        if self.is_mine(message):
            await self.call.candidate(message["candidate"])

    async def on_ended(self, message):
        if not self.is_mine(message):
            return await self.send(type="released", call=message["call"])
        call, self.call = self.call, None
        await call.let_go()

    async def on_error(self, message):
        steps = ("accept", "confirm", "calling")
        if self.is_mine(message) and message.get("about") in steps and message["code"] in ("no_call", "wrong_step"):
            await self.hang_up("failed")

    async def on_ringing(self, message):
        await self.not_mine(message)

    async def on_confirm(self, message):
        await self.not_mine(message)

    async def on_claimed(self, message):
        await self.not_mine(message)

    def is_mine(self, message):
        return self.call is not None and self.call.id == message.get("call")

    async def not_mine(self, message):
        await self.send(type="cancel", call=message["call"], reason="failed")
        await self.send(type="released", call=message["call"])

    async def hang_up(self, reason):
        call, self.call = self.call, None
        if not call:
            return
        await self.send(type="cancel", call=call.id, reason=reason)
        await call.let_go()


async def main():
    parser = argparse.ArgumentParser(description="Logs in, is called and answers.")
    parser.add_argument("server", help="such as ws://127.0.0.1:8017/ws")
    parser.add_argument("name")
    parser.add_argument("--decline", action="store_true", help="decline every call")
    parser.add_argument("--hang-up-after", type=int, metavar="PICTURES", help="hang up once so many have come")
    arguments = parser.parse_args()
    opened = websockets.connect(
        arguments.server, subprotocols=[SUBPROTOCOL], compression=None, open_timeout=OPENING, max_size=None
    )
    async with opened as socket:
        await Client(socket, arguments).run()


asyncio.run(main())
