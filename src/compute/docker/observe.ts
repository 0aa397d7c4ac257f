import type Docker from 'dockerode'
import type { Observation } from '../../domain/instances/compute.ts'
import { gateUrl } from '../../gate/address.ts'
import { diagnose } from './diagnosis.ts'
import type { Engine } from './engine.ts'
import type { GateAddress } from './gate.ts'
import { findImage, missingImage } from './images.ts'
import { readTail } from './logs.ts'
import { isStopping } from './machine.ts'
import type { PullState } from './pulls.ts'

/** What a container that exists is to the core. `gate` is only asked for where an address is needed. */
export async function observeContainer(
  engine: Engine,
  slotId: string,
  found: Docker.ContainerInspectInfo,
  gate: () => Promise<GateAddress>,
): Promise<Observation> {
  const { State: state } = found
  // The engine starts it again by itself, in a moment.
  if (state.Status === 'restarting') return { phase: 'starting', pendingReason: 'booting' }
  if (!state.Running) {
    const stopRequested = isStopping(found)
    return diagnose({
      exitCode: state.ExitCode,
      outOfMemory: state.OOMKilled,
      error: state.Error,
      memoryMebibytes: (found.HostConfig.Memory ?? 0) / 1024 ** 2,
      stopRequested,
      logTail: stopRequested ? '' : await readTail(engine.docker.getContainer(found.Id)),
    })
  }
  const { host: gateHost, port: gatePort } = await gate()
  const address = gateUrl({ slotId, hostName: engine.host.name, gateHost, gatePort })
  return { phase: state.Paused ? 'suspended' : 'running', address }
}

/** A slot that has a network and no container was asked for on a host that lacks its image. */
export async function observeAbsence(
  engine: Engine,
  name: string,
  image: string,
  pulls: { stateOf(engine: Engine, reference: string): PullState },
): Promise<Observation> {
  const networks = await engine.docker.listNetworks({ filters: { name: [name] } })
  if (networks.length === 0) return { phase: 'absent' }
  const pull = pulls.stateOf(engine, image)
  if (pull?.kind === 'pulling') return { phase: 'starting', pendingReason: 'pulling_image' }
  if (await findImage(engine, image)) return { phase: 'absent' }
  const why = pull ? ` It could not be pulled: ${pull.message}` : ''
  return {
    phase: 'failed',
    failure: { code: 'bad_image', message: missingImage(image, engine.host.name) + why },
  }
}
