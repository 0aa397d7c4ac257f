import { type ComponentType, lazy } from 'react'

/** React's `lazy` for a module that exports its component by name. */
export function lazyNamed<Name extends string, Props>(
  load: () => Promise<Record<Name, ComponentType<Props>>>,
  name: Name,
) {
  return lazy(async () => ({ default: (await load())[name] }))
}
