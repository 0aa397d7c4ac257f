import { describeConformance } from '../conformance.ts'
import { createFakeDriver } from './driver.ts'
import { createFakeMachines } from './machines.ts'

describeConformance('fake', async () => {
  const provider = createFakeMachines()
  return {
    open: () => createFakeDriver({ machines: provider }),
    countRunning: async (slotId) => provider.countRunning(slotId),
    writeState: async (slotId, text) => {
      provider.machines.get(slotId)?.state.set('state', text)
    },
    readState: async (slotId) => provider.machines.get(slotId)?.state.get('state'),
    crash: async (slotId) => provider.crash(slotId, 'pulled the plug'),
    ignoreStop: async (slotId) => {
      const machine = provider.machines.get(slotId)
      if (machine) machine.ignoresStop = true
    },
    dispose: async () => undefined,
  }
})
