import type { Config } from '../../config.ts'
import type { SlotSpec } from '../../domain/instances/compute.ts'

type DockerKeys = Extract<keyof Config, `REEF_DOCKER_${string}`>

/** The Docker driver's part of the configuration. */
export function dockerSettings(config: Pick<Config, DockerKeys>, controlUrl: string) {
  return {
    hosts: config.REEF_DOCKER_HOSTS,
    certificatesDirectory: config.REEF_DOCKER_CERTS,
    image: config.REEF_DOCKER_IMAGE,
    gateImage: config.REEF_DOCKER_GATE_IMAGE,
    network: config.REEF_DOCKER_NETWORK,
    controlUrl,
  }
}

const plans = {
  /** OpenClaw with the memory that it was measured to need. */
  standard: { memoryMebibytes: 2048, cpus: 2, pids: 512 },
  /** With a bounded heap (profile.ts): it boots and takes its first turns in this, with next to nothing to spare. */
  lean: { memoryMebibytes: 1280, cpus: 1, pids: 256 },
} satisfies Record<string, SlotSpec['limits']>

export function planLimits(config: Pick<Config, DockerKeys>): SlotSpec['limits'] {
  const plan = plans[config.REEF_DOCKER_PLAN]
  return {
    memoryMebibytes: config.REEF_DOCKER_MEMORY_MEBIBYTES ?? plan.memoryMebibytes,
    cpus: config.REEF_DOCKER_CPUS ?? plan.cpus,
    pids: config.REEF_DOCKER_PIDS ?? plan.pids,
  }
}

/** What an instance's volume may take up; null: as much as its host has. Of processes this is nobody's to limit. */
export function planDiskBytes(config: Pick<Config, DockerKeys | 'REEF_DRIVER'>): number | null {
  if (config.REEF_DRIVER !== 'docker' || config.REEF_DOCKER_DISK_GIBIBYTES === 0) return null
  return Math.round(config.REEF_DOCKER_DISK_GIBIBYTES * 2 ** 30)
}
