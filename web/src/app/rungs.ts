import type { Sleep } from '../api/types.ts'

/** The rungs of the idle ladder as a person reads them: how it sleeps, and how soon it is back. */
export const rungs: Record<Sleep['rung'], { title: string; text: string; wakes: string }> = {
  suspended: {
    title: 'Asleep, ready in memory',
    text: 'It stands still exactly where it was.',
    wakes: 'at once',
  },
  frozen: {
    title: 'Asleep, its memory packed away',
    text: 'It stands still, its memory compressed or moved aside to make room for others.',
    wakes: 'within a second or two',
  },
  frozen_on_disk: {
    title: 'Asleep, its memory on disk',
    text: 'It stands still, and its memory waits on the disk.',
    wakes: 'within a few seconds',
  },
  stopped: {
    title: 'Asleep, its machine switched off',
    text: 'Nobody has used it for a long time, so OpenClaw starts anew when it wakes.',
    wakes: 'in about half a minute',
  },
  archived: {
    title: 'Asleep in its backup',
    text: 'Nobody has used it for weeks, so it gets a new machine and its state back when it wakes.',
    wakes: 'in a minute or two',
  },
}
