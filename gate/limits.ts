/** How much one instance may take of the gate, and how long the gate waits for anyone. Tests shorten these. */
export interface GateLimits {
  /** Open connections of one slot at a time, at each listener. */
  connectionsPerSlotMax: number
  headerBytesMax: number
  /** Until a client has said whom it wants to reach. */
  requestSeconds: number
  dialSeconds: number
  resolveSeconds: number
  /** Until the first bytes inside a tunnel name the server. */
  serverNameSeconds: number
  /** A connection on which nothing flows either way is closed. */
  idleSeconds: number
  reportSeconds: number
  reconnectSecondsMax: number
}

export const gateLimits: GateLimits = {
  connectionsPerSlotMax: 512,
  headerBytesMax: 16 * 1024,
  requestSeconds: 10,
  dialSeconds: 10,
  resolveSeconds: 5,
  serverNameSeconds: 10,
  idleSeconds: 600,
  reportSeconds: 5,
  reconnectSecondsMax: 2,
}
