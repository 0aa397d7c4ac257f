import { expect, test } from 'vitest'
import { readConfig } from '../config.ts'
import { backupBytesMax } from './backups.ts'

const gibibytesMax = (environment: Record<string, string>) =>
  backupBytesMax(readConfig({ REEF_BACKUP_GIBIBYTES_MAX: '50', ...environment })) / 2 ** 30

test('no backup may be larger than what its instance can hold, where that is limited', () => {
  expect(gibibytesMax({ REEF_DRIVER: 'docker', REEF_DOCKER_DISK_GIBIBYTES: '10' })).toBe(20)
  expect(gibibytesMax({ REEF_DRIVER: 'docker', REEF_DOCKER_DISK_GIBIBYTES: '100' })).toBe(50)
  expect(gibibytesMax({ REEF_DRIVER: 'docker', REEF_DOCKER_DISK_GIBIBYTES: '0' })).toBe(50)
  expect(gibibytesMax({ REEF_DRIVER: 'process', REEF_DOCKER_DISK_GIBIBYTES: '10' })).toBe(50)
})
