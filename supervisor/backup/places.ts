import { join } from 'node:path'

/** OpenClaw's settings, by the name that they have in every backup. */
export const configName = 'openclaw.json'

/**
 * Where the parts of a slot lie. Backups call them alike whatever the layout of the machine is, so that one of a process
 * can be restored in a container.
 */
export interface SlotPlaces {
  slotDirectory: string
  /** OpenClaw's settings, relative to the slot's directory. */
  configPath: string
}

export function placeOf({ slotDirectory, configPath }: SlotPlaces, name: string): string {
  return join(slotDirectory, name === configName ? configPath : name)
}

/** The other way round, for a path relative to the slot's directory. */
export function nameOf({ configPath }: SlotPlaces, path: string): string {
  return path === configPath ? configName : path
}
