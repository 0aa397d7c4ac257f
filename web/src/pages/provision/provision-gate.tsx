import { type ReactNode, useState } from 'react'
import { chatIsOpen } from '../../app/instance-state.ts'
import { useMe } from '../../app/use-me.ts'
import { ProvisionCard } from './provision-card.tsx'

/** Lets through to what needs an instance that runs or sleeps; until then there is one card that leads to it. */
export function ProvisionGate({ children }: { children: ReactNode }) {
  const { instance } = useMe()
  const [wasOpen, setWasOpen] = useState(false)
  const open = chatIsOpen(instance, wasOpen)
  if (open !== wasOpen) setWasOpen(open)
  return open ? children : <ProvisionCard instance={instance} />
}
