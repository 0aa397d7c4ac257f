import type { Instance } from '../../api/types.ts'
import { StepList } from '../../ui/step-list.tsx'
import { useNow } from '../../ui/time.tsx'
import { launchSteps } from './launch-steps.ts'

/** The steps of a launch with their times, live. */
export function LaunchProgress({ steps }: { steps: Instance['steps'] }) {
  const nowMs = useNow(100)
  return <StepList label="Steps" steps={launchSteps(steps, nowMs)} />
}
