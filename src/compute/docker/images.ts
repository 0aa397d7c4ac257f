import type { Engine } from './engine.ts'
import { isStatus } from './errors.ts'
import { imageLabels } from './names.ts'

export interface FoundImage {
  id: string
  openclawVersion: string
  supervisorVersion: string
}

/** Undefined when the host has no such image. */
export async function findImage(engine: Engine, reference: string): Promise<FoundImage | undefined> {
  const found = await engine.docker
    .getImage(reference)
    .inspect()
    .catch((error: unknown) => {
      if (isStatus(error, 404)) return undefined
      throw error
    })
  if (!found) return undefined
  const labels = found.Config?.Labels ?? {}
  return {
    id: found.Id,
    openclawVersion: labels[imageLabels.openclaw] ?? 'unknown',
    supervisorVersion: labels[imageLabels.supervisor] ?? 'unknown',
  }
}

export function specVersionOf(image: FoundImage): string {
  return `${image.id} openclaw-${image.openclawVersion} supervisor-${image.supervisorVersion}`
}

/** The image that a slot is made of: the one that its `specVersion` names, else the one that is set. */
export function imageOf(specVersion: string, configured: string): string {
  return /^sha256:[0-9a-f]{64}(?= |$)/.exec(specVersion)?.[0] ?? configured
}

export function missingImage(reference: string, hostName: string): string {
  return `The Docker host ${hostName} has no image ${reference}. Build it there with \`npm run image\`, or name another: REEF_DOCKER_IMAGE=NAME`
}
