// PeerJS's server as it comes, but for its limit of 5,000 clients, and without waiting for their heartbeats.

import { PeerServer } from "peer";

const [host, port] = process.argv[2].split(":");
PeerServer({ host, port: Number(port), path: "/", concurrent_limit: 1_000_000, alive_timeout: 24 * 3600 * 1000 });
