import type Docker from 'dockerode'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { requireComponent } from '../../../test/support/components.ts'
import { docker, openTestReef, type TestReef } from '../../../test/support/docker.ts'
import { newId } from '../../ids.ts'

/**
 * Section 5 of docker-bench-security (CIS Docker Benchmark 1.6, "Container Runtime"), as its script checks it with
 * `docker inspect`. The exceptions and why they are ones: docs/reference/docker-hardening.md.
 */
const available = requireComponent('docker')

type Inspected = Docker.ContainerInspectInfo
type Check = (container: Inspected) => unknown

const empty = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || Object.keys(value as object).length === 0

/** Each is true on a container that passes. */
const checks: Record<string, Check> = {
  '5.4 no capability is kept': ({ HostConfig }) =>
    HostConfig.CapDrop?.includes('ALL') && empty(HostConfig.CapAdd),
  '5.5 it is not privileged': ({ HostConfig }) => HostConfig.Privileged === false,
  '5.6 no directory of the host is mounted': ({ Mounts, HostConfig }) =>
    empty(HostConfig.Binds) && Mounts.every((mount) => mount.Type === 'volume'),
  '5.8 and 5.9 no port of the host leads to it': ({ HostConfig, NetworkSettings }) =>
    empty(HostConfig.PortBindings) &&
    HostConfig.PublishAllPorts === false &&
    Object.values(NetworkSettings.Ports ?? {}).every(empty),
  '5.10 the network is not the host’s': ({ HostConfig }) => !HostConfig.NetworkMode?.startsWith('host'),
  '5.11 memory is limited': ({ HostConfig }) => (HostConfig.Memory ?? 0) > 0,
  '5.12 CPU is limited and its share set': ({ HostConfig }) =>
    (HostConfig.NanoCpus ?? 0) > 0 && (HostConfig.CpuShares ?? 0) > 0,
  '5.13 the root file system is read-only': ({ HostConfig }) => HostConfig.ReadonlyRootfs === true,
  '5.15 it is started again on failure, five times': ({ HostConfig }) =>
    HostConfig.RestartPolicy?.Name === 'on-failure' && HostConfig.RestartPolicy.MaximumRetryCount === 5,
  '5.16 processes are its own': ({ HostConfig }) => HostConfig.PidMode === '',
  '5.17 interprocess communication is its own': ({ HostConfig }) => HostConfig.IpcMode === 'private',
  '5.18 no device of the host is in it': ({ HostConfig }) => empty(HostConfig.Devices),
  '5.19 limits of the engine are not overwritten': ({ HostConfig }) => empty(HostConfig.Ulimits),
  '5.20 no mount is shared with the host': ({ Mounts }) =>
    Mounts.every((mount) => mount.Propagation !== 'shared'),
  '5.21 the host’s name is its own': ({ HostConfig }) => HostConfig.UTSMode === '',
  '5.22 the default seccomp profile holds': ({ HostConfig }) =>
    !HostConfig.SecurityOpt?.some((option: string) => /seccomp[=:]/.test(option)),
  '5.25 it is in the engine’s own control group': ({ HostConfig }) => empty(HostConfig.CgroupParent),
  '5.26 no program gains rights': ({ HostConfig }) => HostConfig.SecurityOpt?.includes('no-new-privileges'),
  '5.27 health is checked': ({ State }) => State.Health !== undefined,
  '5.29 processes are limited': ({ HostConfig }) => (HostConfig.PidsLimit ?? 0) > 0,
  '5.30 it is not on the default bridge': ({ NetworkSettings }) =>
    !Object.keys(NetworkSettings.Networks).includes('bridge'),
  '5.31 the host’s user namespace is not asked for': ({ HostConfig }) => HostConfig.UsernsMode === '',
  '5.32 the engine’s socket is not in it': ({ Mounts, HostConfig }) =>
    !JSON.stringify([Mounts, HostConfig.Binds]).includes('docker.sock'),
  '4.1 it runs as a user that is not root': ({ Config }) => /^[1-9]\d*:[1-9]\d*$/.test(Config.User),
  'the logs are bounded': ({ HostConfig }) =>
    Number.parseInt(HostConfig.LogConfig?.Config?.['max-size'] ?? '0', 10) > 0,
}

/** What only the gate may, and why: it is what publishes and it must come back always. */
const gateExceptions = [
  '5.8 and 5.9 no port of the host leads to it',
  '5.12 CPU is limited and its share set',
  '5.15 it is started again on failure, five times',
]

describe.skipIf(!available)('a running instance', () => {
  let reef: TestReef
  let instance: Inspected
  let gate: Inspected
  const inSlot = (script: string) => docker('exec', instance.Id, 'bash', '-c', `${script} || true`)
  beforeAll(async () => {
    reef = await openTestReef('10.214.2.0/24')
    const slotId = newId()
    await reef.open().ensure(
      {
        slotId,
        specVersion: 'test-1',
        linkUrl: 'ws://127.0.0.1:1/link',
        bootstrapToken: null,
        limits: { memoryMebibytes: 256, cpus: 1, pids: 96 },
      },
      null,
    )
    const inspect = async (name: string) => JSON.parse(await docker('inspect', name))[0] as Inspected
    instance = await inspect(reef.nameOf(slotId))
    gate = await inspect(`reef-${reef.reefId}-gate`)
  })
  afterAll(() => reef?.dispose())

  test.each(Object.keys(checks))('passes docker-bench-security: %s', (name) => {
    expect(checks[name]?.(instance)).toBe(true)
  })

  test('its gate passes all but what it is there for, and publishes on the loopback only', () => {
    const failed = Object.keys(checks).filter((name) => checks[name]?.(gate) !== true)
    expect(failed.sort()).toEqual([...gateExceptions].sort())
    const bound = Object.values(gate.NetworkSettings.Ports).flat()
    expect(bound.map((port) => port.HostIp)).toEqual(['127.0.0.1'])
  })

  test('has in fact no capability, no new rights and a filter of system calls', async () => {
    const status = await inSlot('cat /proc/self/status')
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect(status).toMatch(new RegExp(`^${set}:\\s+0+$`, 'm'))
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
    expect(status).toMatch(/^Seccomp:\s+2$/m)
    expect(status).toMatch(/^Uid:\s+10001\s+10001/m)
  })

  test('can write its volume, its home and /tmp, and nothing else', async () => {
    const writable = await inSlot('find / -xdev -writable -type d 2>/dev/null')
    expect(writable.split('\n').sort()).toEqual(['/home/agent', '/tmp'])
    expect(await inSlot('touch /usr/x /opt/x 2>/dev/null && echo written')).toBe('')
    expect(await inSlot('touch ~/x ~/.openclaw/x /tmp/x && echo written')).toBe('written')
  })
})
