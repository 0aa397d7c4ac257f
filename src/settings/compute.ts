import { z } from 'zod'
import { flag } from './kinds.ts'

/** Which driver runs instances, and what Docker gives each. */
export const computeSettings = {
  REEF_DRIVER: z
    .enum(['process', 'docker', 'fake'])
    .default('process')
    .describe('Compute driver for new instances.'),
  REEF_DOCKER_HOSTS: z
    .string()
    .default('local=unix:///var/run/docker.sock')
    .describe(
      'Docker hosts, comma-separated: NAME=unix:///PATH or NAME=tcp://HOST:PORT[?gate=ADDRESS:PORT], over TLS.',
    ),
  REEF_DOCKER_CERTS: z
    .string()
    .optional()
    .describe('Directory with ca.pem, cert.pem and key.pem for remote Docker hosts, or a folder per host.'),
  REEF_DOCKER_IMAGE: z
    .string()
    .default('reef-instance:local')
    .describe('Image of instances; `npm run image` builds it.'),
  REEF_DOCKER_GATE_IMAGE: z
    .string()
    .default('reef-gate:local')
    .describe('Image of the gate, one container per Docker host; `npm run image` builds it.'),
  REEF_DOCKER_NETWORK: z
    .string()
    .default('10.213.0.0/16')
    .describe('Addresses for the instances’ networks, 16 for each; nothing else of the host may use them.'),
  REEF_DOCKER_PLAN: z
    .enum(['standard', 'lean'])
    .default('standard')
    .describe('Limits of an instance: standard 2048 MiB, 2 CPUs, 512 processes; lean 1280 MiB, 1 CPU, 256.'),
  REEF_DOCKER_MEMORY_MEBIBYTES: z.coerce
    .number()
    .int()
    .min(1024)
    .optional()
    .describe('Memory of an instance, if not the plan’s.'),
  REEF_DOCKER_CPUS: z.coerce
    .number()
    .min(0.25)
    .optional()
    .describe('CPUs of an instance, if not the plan’s.'),
  REEF_DOCKER_PIDS: z.coerce
    .number()
    .int()
    .min(128)
    .optional()
    .describe('Processes of an instance, if not the plan’s.'),
  REEF_DOCKER_DISK_GIBIBYTES: z.coerce
    .number()
    .min(0)
    .default(10)
    .describe(
      'Disk that an instance’s volume may take up before the instance is stopped (0: no limit of Reef’s own).',
    ),
  REEF_EGRESS_OPEN: flag('0').describe(
    'Whether organizations may let instances reach every public address instead of listed domains (1: they may).',
  ),
  REEF_PROCESS_DRIVER_MULTI_USER: z
    .enum(['no', 'i-understand-it-isolates-nothing'])
    .default('no')
    .describe(
      'The process driver isolates nothing, so it serves one person only unless this opts in by name.',
    ),
}
