/** Canvas knows neither custom properties nor light-dark(): the browser resolves them for us. */
export function resolvedColor(element: HTMLElement, token: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${token})`
  element.append(probe)
  const color = getComputedStyle(probe).color
  probe.remove()
  return color
}
