// See docs/widget.md. Whatever fails, the page keeps what it has.
{
const TAG = "more-like-this", script = document.currentScript;
const usual = {
	api: new URL(".", script?.src || location).href, catalogue: "", item: "{url}", from: "similar",
	limit: 5, query: "", heading: "", text: "{title|name|id}", note: "{}", link: "{url|link|id}",
	picture: "{image|poster|picture}",
};

// Fetched, it needs no style-src.
const sheet = new CSSStyleSheet();
const styled = fetch(usual.api + "widget.css")
	.then(async (answer) => sheet.replaceSync(await answer.text())).catch(() => {});

const inert = document.createElement("template").content.ownerDocument;
const make = (tag, props, ...content) => {
	const node = Object.assign(inert.createElement(tag), { part: tag, ...props });
	node.append(...content);
	return node;
};

const stem = (id) => id.replace(/(\/index)?(\.[a-z]\w*)?\/*$/i, "");

// A node goes where a value is missing or an address is not safe.
const fill = (row, values) => {
	for (const node of [row, ...row.querySelectorAll(":not(script, style)")]) {
		const { href, src, alt } = node.attributes;
		for (const part of [href, src, alt, ...node.childNodes]) {
			if (!/{|^$/.test(part?.nodeValue) || part.nodeType > 3) continue;
			const isUrl = /href|src/.test(part.name);
			let isBad = false;
			part.nodeValue = part.nodeValue.replace(/{(.*?)}/g, (_, names, start) => {
				const found = names.split("|").map((name) => [values[name] ?? ""].flat().join(", ")).find(Boolean);
				isBad ||= !found;
				return isUrl && start ? encodeURIComponent(found).replace(/%2F/g, "/") : found;
			});
			if (!isBad && (!isUrl || /^(https?:\/)?[/.?#]/i.test(part.nodeValue))) continue;
			part.nodeValue = "";
			node.remove();
		}
	}
};

customElements.get(TAG) ?? customElements.define(TAG, class extends HTMLElement {
	static observedAttributes = Object.keys(usual);
	root = this.attachShadow({ mode: "open" });

	connectedCallback() {
		this.root.adoptedStyleSheets = [sheet];
		this.show();
		this.ask();
	}

	attributeChangedCallback() {
		if (this.asking) this.ask();
	}

	disconnectedCallback() {
		this.asking = this.asking.abort();
	}

	show(content = make("slot")) {
		this.querySelector("[slot=list]")?.remove();
		this.root.replaceChildren(content);
	}

	async ask() {
		this.asking?.abort();
		const asking = this.asking = new AbortController();
		setTimeout(() => asking.abort(Error("no answer in 4 s")), 4000);
		try {
			const given = { ...usual };
			for (const { name, value } of this.attributes) given[name] = value;
			const url = document.querySelector("link[rel=canonical]")?.href ?? location.href.split(/[?#]/)[0];
			const seed = given.item.replace("{url}", () => url)
				.replace("{path}", () => stem(decodeURI(new URL(url).pathname.slice(1))));
			const query = `id=${encodeURIComponent(seed)}&limit=${given.limit}&${given.query}`;
			const base = `${given.api}v1/${given.catalogue}/`;
			const answer = await fetch(`${base}${given.from}?${query}`, asking);
			if (!answer.ok) throw Error(await answer.text());
			await styled;
			this.render(await answer.json(), seed, given, base + "events");
		} catch (error) {
			if (asking !== this.asking) return;
			this.show();
			console.warn(`<${TAG}>: ${error.message}`);
		}
	}

	render(answer, seed, given, url) {
		const tell = (name, detail) => this.dispatchEvent(
			new CustomEvent("recommender:" + name, { detail, bubbles: true, cancelable: true }));
		const track = (type, id, seed) => given.events === "on" && fetch(url, {
			method: "POST", keepalive: true, headers: { "Content-Type": "application/json" },
			body: JSON.stringify({ type, id, seed, user: given.user }),
		}).catch(() => {});
		track("view", seed);
		if (!tell("results", answer)) return;

		const own = this.querySelector("template");
		const card = own?.content ?? make("a", { href: given.link },
			make("img", { loading: "lazy", alt: "", src: given.picture }),
			make("b", {}, given.text), make("small", {}, given.note));
		const list = make("ul", { slot: "list" });
		for (const item of answer.items) {
			const row = make("li", {}, card.cloneNode(true));
			fill(row, { path: stem(item.id), ...item.fields, id: item.id });
			row.onclick = ({ target }) => {
				if (target.closest("[href]") && tell("click", { item, seed })) track("click", item.id, seed);
			};
			if (row.querySelector("[href]")) list.append(row);
		}
		if (!list.firstChild) throw Error("no item has a link");
		this.show(make("nav", { ariaLabel: given.heading || "More like this" },
			given.heading && make("h2", {}, given.heading), own ? make("slot", { name: "list" }) : list));
		if (own) this.append(list);
	}
});

if (script?.dataset.catalogue) {
	const more = document.createElement(TAG), target = document.querySelector(script.dataset.target);
	const given = { api: usual.api, ...script.dataset };
	for (const name in given) more.setAttribute(name === "id" ? "item" : name, given[name]);
	(target ?? script).after(more);
	more.append(target ?? "");
}
}
