import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callEnd, createMeteredWorld, type MeteredWorld } from '../../../test/support/metered-world.ts'
import { newId } from '../../ids.ts'
import { openCallJournal } from './call-journal.ts'

let world: MeteredWorld
let directory: string
beforeAll(async () => {
  world = await createMeteredWorld()
  directory = await mkdtemp(join(tmpdir(), 'reef-journal-'))
})
afterAll(async () => {
  await world.drop()
  await rm(directory, { recursive: true, force: true })
})

const onError = (error: unknown): void => {
  throw error
}

describe('the journal of model calls', () => {
  it('hands settlements to the next process when this one was killed, and lets go what was open', async () => {
    const organizationId = await world.organizationWith(10_000)
    const file = join(directory, 'killed.journal')
    const away = world.unreliable()
    const journal = openCallJournal({ file, onError })
    const [ended, open, done] = [
      world.newCall(organizationId),
      world.newCall(organizationId),
      world.newCall(organizationId),
    ]
    const meter = world.meterOf({ database: away, journal })
    const endedCall = await world.begin(ended, meter)
    await world.begin(open, meter)
    await (await world.begin(done, meter)).settle(callEnd)
    // What is settled is on the database's disk before it is forgotten.
    await expect.poll(() => openCallJournal({ file, onError }).left.ended).toEqual([])
    away.broken = true
    await endedCall.settle(callEnd)
    // Nothing of this process is heard of again: it is as if it were gone.
    const next = openCallJournal({ file, onError })
    expect(next.left.open).toEqual([open.id])
    expect(next.left.ended.map(({ call }) => call.id)).toEqual([ended.id])
    const reborn = world.meterOf({ journal: next })
    reborn.settlements.start()
    await expect.poll(async () => (await world.rowOf(ended.id))?.outcome).toBe('succeeded')
    await expect.poll(async () => (await world.rowOf(open.id))?.error_code).toBe('control_plane_lost')
    expect(await world.rowOf(ended.id)).toMatchObject({ cost: 1300, finished_at: callEnd.finishedAt })
    expect(await world.bookOf(organizationId)).toMatchObject({ spent: 2600, reserved: 0, available: 7400 })
    await reborn.settlements.stop()
    expect(openCallJournal({ file, onError }).left).toEqual({
      ended: [],
      open: [],
    })
    await meter.settlements.stop()
  })

  it('reads what a torn line leaves, and forgets nothing when it is written anew', async () => {
    const file = join(directory, 'small.journal')
    const journal = openCallJournal({ file, onError, bytesMax: 20_000 })
    const settled = {
      call: world.newCall(newId()),
      priceVersion: 1,
      reserved: 2000,
      end: callEnd,
      cost: 1300,
    }
    const open = newId()
    journal.opened(open)
    journal.ended(settled)
    for (let round = 0; round < 1000; round++) {
      const id = newId()
      journal.opened(id)
      journal.closed(id)
    }
    // A thousand calls take about 100,000 bytes.
    expect((await stat(file)).size).toBeLessThan(25_000)
    await appendFile(file, '{"closed":"')
    const next = openCallJournal({ file, onError })
    expect(next.left).toEqual({ open: [open], ended: [settled] })
    // The first line after a torn one is not torn with it.
    const later = newId()
    next.opened(later)
    expect(openCallJournal({ file, onError }).left.open).toEqual([open, later])
  })

  it('stops no call when it cannot be written', () => {
    const errors: unknown[] = []
    const journal = openCallJournal({
      file: join(directory, 'closed.journal'),
      onError: (error) => errors.push(error),
    })
    journal.close()
    journal.opened(newId())
    expect(errors).toHaveLength(1)
  })
})
