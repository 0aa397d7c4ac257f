import type Docker from 'dockerode'
import type { SlotSpec } from '../../domain/instances/compute.ts'
import { isStatus } from './errors.ts'
import { putFile } from './files.ts'
import type { DockerHost } from './fleet.ts'
import { labels } from './names.ts'
import { controlFile, instanceContainer, limits, noRestarts, restarts, slotDirectory } from './profile.ts'
import type { SlotAddresses } from './subnets.ts'

/** For a machine that is made anew while it runs; whoever upgrades has let its turns end before. */
const replaceGraceSeconds = 20

type Inspected = Docker.ContainerInspectInfo

/** A slot's container and what it is to be made of. */
export interface Wanted {
  host: DockerHost
  reefId: string
  name: string
  spec: SlotSpec
  addresses: SlotAddresses
  /** Undefined when the host does not have it: then what is there stays as it is. */
  imageId: string | undefined
}

/** Brings the container from whatever it is to one that runs and was made of what is wanted. */
export async function runMachine(wanted: Wanted, found: Inspected | undefined): Promise<void> {
  const { host, spec, addresses, imageId } = wanted
  const replaced = found && imageId && found.Config.Labels[labels.spec] !== spec.specVersion
  if (replaced) await discard(host, found)
  const kept = replaced ? undefined : found
  const container = kept ? host.engine.docker.getContainer(kept.Id) : await create(wanted)
  await putFile(container, slotDirectory, { name: 'control.json', text: controlFile(spec, addresses) })
  if (kept) {
    // A stop that was begun is finished first: this joins the one that may still be under way.
    if (kept.State.Running && isStopping(kept))
      await host.engine.patient.getContainer(kept.Id).stop({ t: replaceGraceSeconds })
    else if (kept.State.Running) return
    await container.update({ ...limits(spec.limits, await host.cgroupVersion()), RestartPolicy: restarts })
  }
  await container.start()
}

/** Whether a control plane has asked for the stop, which no other may take for a crash. */
export function isStopping(found: Inspected): boolean {
  return found.HostConfig.RestartPolicy?.Name === noRestarts.Name
}

/** SIGTERM to the supervisor, which drains OpenClaw, then SIGKILL after the grace. Stopped already is success. */
export async function stopMachine(host: DockerHost, found: Inspected, graceSeconds: number): Promise<void> {
  const container = host.engine.patient.getContainer(found.Id)
  await container.update({ RestartPolicy: noRestarts }).catch(unlessAbsent)
  // A paused supervisor could not drain.
  if (found.State.Paused) await container.unpause().catch(unlessAbsent)
  await container.stop({ t: graceSeconds }).catch(unlessAbsent)
}

async function create(wanted: Wanted): Promise<Docker.Container> {
  const { host, name, spec } = wanted
  const { docker } = host.engine
  const slotLabels = { [labels.reef]: wanted.reefId, [labels.slot]: spec.slotId }
  await docker.createVolume({ Name: name, Labels: slotLabels })
  try {
    return await docker.createContainer(
      instanceContainer({
        ...wanted,
        imageId: wanted.imageId ?? '',
        cgroupVersion: await host.cgroupVersion(),
      }),
    )
  } catch (error) {
    // Another control plane was quicker.
    if (isStatus(error, 409)) return docker.getContainer(name)
    throw error
  }
}

async function discard(host: DockerHost, found: Inspected): Promise<void> {
  if (found.State.Running) await stopMachine(host, found, replaceGraceSeconds)
  await host.engine.docker.getContainer(found.Id).remove({ force: true }).catch(unlessAbsent)
}

export function unlessAbsent(error: unknown): void {
  if (!isStatus(error, 404, 304)) throw error
}
