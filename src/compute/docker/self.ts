import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Engine } from './engine.ts'

/** Docker puts it into every container. */
const containerMark = '/.dockerenv'

/**
 * Id of the container that this process itself runs in, if that is one of this engine's: then the host's loopback is
 * another one than ours, and we are a neighbour of the gate instead. A container's name for itself is its id.
 */
export async function findSelf(engine: Engine): Promise<string | undefined> {
  if (!engine.host.local || !existsSync(containerMark)) return undefined
  return engine.docker
    .getContainer(hostname())
    .inspect()
    .then(
      (found) => found.Id,
      () => undefined,
    )
}
