"""How a page is looked at: what axe holds it to, and where text cannot be read."""

from typing import Final

AA: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], "resultTypes": ["violations"]}

# Where text runs out of the screen, out of its box, or into other text.
UNREADABLE: Final = """() => {
  const found = [];
  const texts = [];
  const hidden = '.words, .sprite, .skip, .wide, [hidden], noscript';
  const seen = (element) => element.checkVisibility() && !element.closest(hidden);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!node.textContent.trim() || !seen(node.parentElement) || node.parentElement.closest('script')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) if (box.width && box.height) texts.push([node, box]);
  }
  const near = 1.5;
  const isWall = innerWidth >= 900 && innerWidth * 3 >= innerHeight * 4;
  const scrolls = document.documentElement.scrollHeight > innerHeight + 1;
  for (const [node, box] of texts) {
    const words = node.textContent.trim();
    if (box.left < -near || box.right > innerWidth + near) found.push(`outside the screen: ${words}`);
    if (isWall && (scrolls || box.bottom > innerHeight + near)) found.push(`below the screen: ${words}`);
    const holder = node.parentElement.closest('.tile, .panel, .verdict, .facts, .alarm, .row, .drawing');
    if (holder) {
      const edge = holder.getBoundingClientRect();
      const inset = Math.min(box.height * 0.2, 20);
      if (box.left < edge.left - near || box.right > edge.right + 8
        || box.top + inset < edge.top - near || box.bottom - inset > edge.bottom + near) {
        found.push(`outside its box: ${words}`);
      }
    }
  }
  texts.sort(([, p], [, q]) => p.top - q.top);
  for (let a = 0; a < texts.length; a += 1) {
    const [one, p] = texts[a];
    for (let b = a + 1; b < texts.length; b += 1) {
      const [other, q] = texts[b];
      if (q.top > p.bottom) break;
      if (one === other) continue;
      const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
      const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
      if (wide > near && high > Math.min(p.height, q.height) * 0.32) {
        found.push(`on top of each other: ${one.textContent.trim()} / ${other.textContent.trim()}`);
      }
    }
  }
  return found;
}"""
