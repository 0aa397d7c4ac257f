/** Connections that have not been admitted yet. Anybody may open them, so there is an end to how many are kept. */
export interface UnknownConnections<Key> {
  /**
   * Makes room for one more. At the limit the one that has been silent longest is turned away for it: a supervisor says
   * hello as soon as it is connected, whoever holds connections without a word does not. False when all there are have
   * said hello and wait for an answer.
   */
  makeRoom(): boolean
  add(key: Key, turnAway: () => void): void
  /** It said hello: it is turned away for nobody. */
  heard(key: Key): void
  /** It was admitted, refused, or has gone. */
  remove(key: Key): void
}

export function createUnknownConnections<Key>(connectionsMax: number): UnknownConnections<Key> {
  // In the order in which they came, so that the first has been silent longest.
  const silent = new Map<Key, () => void>()
  const asking = new Set<Key>()
  return {
    makeRoom: () => {
      if (silent.size + asking.size < connectionsMax) return true
      for (const [key, turnAway] of silent) {
        silent.delete(key)
        turnAway()
        return true
      }
      return false
    },
    add: (key, turnAway) => {
      silent.set(key, turnAway)
    },
    heard: (key) => {
      if (silent.delete(key)) asking.add(key)
    },
    remove: (key) => {
      silent.delete(key)
      asking.delete(key)
    },
  }
}
