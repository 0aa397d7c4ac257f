/** Pattern of LIKE and ILIKE for texts that contain this one, letter by letter. */
export function containing(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`
}
