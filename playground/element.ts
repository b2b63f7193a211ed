/**
 * HTML elements from script. In: a tag, properties and children. Out: the element. Invariant: text is always set as
 * text, never parsed as HTML, so names out of a model cannot become markup; nothing here needs an inline style.
 */
export type Child = Node | string | undefined | false;

/** Properties of the element itself (`className`, `textContent`), and attributes that are no properties (ARIA's). */
export type Properties<Tag extends keyof HTMLElementTagNameMap> = Partial<
  Omit<HTMLElementTagNameMap[Tag], "style" | "children" | "attributes">
> & {
  readonly attributes?: Readonly<Record<string, string>>;
  /** CSS custom properties, which a content security policy without inline styles allows to set from script. */
  readonly variables?: Readonly<Record<`--${string}`, string>>;
};

/** @example element("p", { className: "note" }, "Nothing is uploaded.") */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties<Tag> = {} as Properties<Tag>,
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const { attributes, variables, ...own } = properties;
  const made = document.createElement(tag);
  Object.assign(made, own);
  for (const [name, value] of Object.entries(attributes ?? {})) made.setAttribute(name, value);
  for (const [name, value] of Object.entries(variables ?? {})) made.style.setProperty(name, value);
  made.append(...children.filter((child) => child !== undefined && child !== false));
  return made;
}

/**
 * The element of the page with this id.
 *
 * @throws Error if it is not there or is of another kind: the page and its script do not belong together
 */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} with id "${id}"`);
  return found;
}
