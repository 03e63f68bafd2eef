// The design that Hutong's server replaced, on express and socket.io: every login, logout and change of state is
// broadcast to all logged-in users, and call messages are relayed by token. It broadcasts in socket.io's cheapest way:
// encoded once, to a room.

import { createServer } from "node:http";
import express from "express";
import { Server } from "socket.io";

const [host, port] = process.argv[2].split(":");
const http = createServer(express());
const io = new Server(http, { serveClient: false, transports: ["websocket"] });
const LOGGED_IN = "logged in";

/** Token -> { user, socket } of the logged-in users. */
const online = new Map();
let last = 0;

/** Unique timestamp in microseconds. */
function newToken() {
  last = Math.max(last + 1, Date.now() * 1000);
  return last;
}

function broadcast(user) {
  io.to(LOGGED_IN).emit("USER", user);
}

function change(token, state) {
  const entry = online.get(token);
  if (entry) {
    entry.user.state = state;
    broadcast(entry.user);
  }
}

io.on("connection", (socket) => {
  let me = null;

  const leave = () => {
    if (!me) return;
    online.delete(me.token);
    socket.leave(LOGGED_IN);
    broadcast({ ...me, state: "offline" });
    me = null;
  };

  socket.on("LOGIN", ({ name }) => {
    if (me) return;
    me = { token: newToken(), name, state: "online" };
    const users = [...online.values()].map((entry) => entry.user);
    online.set(me.token, { user: me, socket });
    socket.emit("WELCOME", { me, users });
    socket.join(LOGGED_IN);
    broadcast(me);
  });

  // New state of both users after a call message.
  const states = { OFFERING: "connecting", CONFIRM: "in_call", CANCEL: "online" };
  for (const event of ["OFFERING", "CONFIRM", "CALLING", "CANDIDATE", "CANCEL"]) {
    socket.on(event, (message) => {
      const other = me && online.get(message.to);
      if (!other) return;
      other.socket.emit(event, { ...message, from: me.token });
      if (states[event]) {
        change(me.token, states[event]);
        change(message.to, states[event]);
      }
    });
  }

  socket.on("LOGOUT", leave);
  socket.on("disconnect", leave);
});

http.listen({ host, port: Number(port), backlog: 4096 });
