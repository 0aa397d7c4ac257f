import type Docker from 'dockerode'
import type { SlotSpec } from '../../domain/instances/compute.ts'
import { agentUser } from './files.ts'
import { labels } from './names.ts'
import type { SlotAddresses } from './subnets.ts'

/** Where the slot's volume lies in the container: OpenClaw's own place for what it keeps. */
export const slotDirectory = '/home/agent/.openclaw'
const supervisorPort = 7401
const relayPort = 7300
const egressPort = 3128

/** A supervisor that crashes is started again by the engine itself so often, then by the control plane. */
export const restarts = { Name: 'on-failure', MaximumRetryCount: 5 } as const
/** A stop that was asked for leaves this behind, so that what follows is no crash to any control plane. */
export const noRestarts = { Name: 'no', MaximumRetryCount: 0 } as const

const mebibyte = 1024 ** 2
const owned = `uid=${agentUser.uid},gid=${agentUser.gid}`

/** Below this OpenClaw is told to keep its heap small. */
const leanMebibytes = 1_536
const leanNodeOptions = '--max-old-space-size=512 --max-semi-space-size=4'

/** What every container of Reef is held to, whatever runs in it. */
export const hardened = {
  CapDrop: ['ALL'],
  SecurityOpt: ['no-new-privileges'],
  ReadonlyRootfs: true,
  Privileged: false,
  PublishAllPorts: false,
  IpcMode: 'private',
  CgroupnsMode: 'private',
  UsernsMode: '',
  PidMode: '',
  UTSMode: '',
  LogConfig: { Type: 'json-file', Config: { 'max-size': '5m', 'max-file': '2' } },
  // Its types lack CgroupnsMode, which the engine has known since API 1.41.
} satisfies Docker.HostConfig & { CgroupnsMode: string }

export interface InstanceProfile {
  spec: SlotSpec
  reefId: string
  name: string
  imageId: string
  addresses: SlotAddresses
  /** On version 1 of control groups swap counts into the limit, so that what is swapped out frees nothing to grow into. */
  cgroupVersion: '1' | '2'
}

/** The container of a slot, hardened: docs/reference/docker-hardening.md says why each line is there. */
export function instanceContainer(profile: InstanceProfile): Docker.ContainerCreateOptions {
  const { spec, addresses, name } = profile
  return {
    name,
    Image: profile.imageId,
    Hostname: `slot-${spec.slotId.slice(-12)}`,
    User: `${agentUser.uid}:${agentUser.gid}`,
    Labels: { [labels.reef]: profile.reefId, [labels.slot]: spec.slotId, [labels.spec]: spec.specVersion },
    Env: environment(spec, addresses),
    HostConfig: {
      ...hardened,
      ...limits(spec.limits, profile.cgroupVersion),
      RestartPolicy: restarts,
      NetworkMode: name,
      Dns: ['127.0.0.1'],
      DnsSearch: ['.'],
      // Nobody answers there: a look-up that waits its usual ten seconds or more keeps a thread of Node's from its files.
      DnsOptions: ['timeout:1', 'attempts:1'],
      Mounts: [{ Type: 'volume', Source: name, Target: slotDirectory }],
      Tmpfs: {
        '/tmp': `rw,nosuid,nodev,exec,mode=1777,size=512m`,
        '/home/agent': `rw,nosuid,nodev,exec,mode=700,${owned},size=512m`,
      },
    },
    NetworkingConfig: {
      EndpointsConfig: { [name]: { IPAMConfig: { IPv4Address: addresses.instance } } },
    },
  }
}

/** What can also be changed on a container that runs. */
export function limits(
  wanted: SlotSpec['limits'],
  cgroupVersion: '1' | '2',
): Required<Pick<Docker.HostConfig, 'Memory' | 'MemorySwap' | 'NanoCpus' | 'CpuShares' | 'PidsLimit'>> {
  const memory = wanted.memoryMebibytes * mebibyte
  return {
    Memory: memory,
    // A frozen instance lies in swap as a whole; version 2 counts swap apart, so it needs room of its own there.
    MemorySwap: cgroupVersion === '1' ? memory : memory * 2,
    NanoCpus: Math.round(wanted.cpus * 1e9),
    CpuShares: 1024,
    PidsLimit: wanted.pids,
  }
}

function environment(spec: SlotSpec, { gate }: SlotAddresses): string[] {
  const proxy = `http://${gate}:${egressPort}`
  const direct = `127.0.0.1,localhost,${gate}`
  const lean = spec.limits.memoryMebibytes < leanMebibytes
  return [
    `HTTP_PROXY=${proxy}`,
    `HTTPS_PROXY=${proxy}`,
    `http_proxy=${proxy}`,
    `https_proxy=${proxy}`,
    `NO_PROXY=${direct}`,
    `no_proxy=${direct}`,
    'NODE_USE_ENV_PROXY=1',
    'LANG=C.UTF-8',
    ...(lean ? [`REEF_OPENCLAW_NODE_OPTIONS=${leanNodeOptions}`] : []),
  ]
}

/** What the supervisor reads before each dial; the token is in no place that `docker inspect` shows. */
export function controlFile(spec: SlotSpec, { gate }: SlotAddresses): string {
  return JSON.stringify({
    slotId: spec.slotId,
    linkUrl: `ws://${gate}:${relayPort}/link`,
    bootstrapToken: spec.bootstrapToken,
    port: supervisorPort,
  })
}
