import { access, glob, readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

/** Links and pictures of the documentation that lead to no file in the repository, as "page: target". */
export async function findDeadLinks(root: string): Promise<string[]> {
  const dead: string[] = []
  for await (const page of glob(['*.md', 'docs/**/*.md', 'supervisor/*.md'], { cwd: root })) {
    const text = await readFile(join(root, page), 'utf8')
    // Examples in code are not links.
    const prose = text.replaceAll(/^```.*?^```/gms, '')
    for (const [, target = ''] of prose.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const path = join(root, dirname(page), target)
      const exists = await access(path).then(
        () => true,
        () => false,
      )
      if (!exists) dead.push(`${page}: ${relative(root, path)}`)
    }
  }
  return dead.sort()
}
