import type { ReactNode } from 'react'
import { useMe } from '../../app/use-me.ts'
import { ProvisionCard } from './provision-card.tsx'

/** Lets through to what needs a running instance; until then there is one card that leads to it. */
export function ProvisionGate({ children }: { children: ReactNode }) {
  const { instance } = useMe()
  return instance?.status === 'running' ? children : <ProvisionCard instance={instance} />
}
