// See docs/widget.md. If it fails, the page stays as it is.
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
	.then(async (css) => sheet.replaceSync(await css.text())).catch(() => {});

const make = (tag, props, ...content) => {
	const node = Object.assign(document.createElement(tag), { part: tag, ...props });
	node.append(...content);
	return node;
};

const stem = (id) => id.replace(/(\/index)?(\.[a-z]\w*)?\/*$/i, "");

// What has no safe value goes.
const fill = (row, values) => {
	for (const node of [row, ...row.querySelectorAll(":not(script, style)")]) {
		const { href, src, alt } = node.attributes;
		for (const part of [href, src, alt, ...node.childNodes]) {
			if (!/{|^$/.test(part?.nodeValue) || part.nodeType > 3) continue;
			const isUrl = part.name && part !== alt;
			let isBad;
			part.nodeValue = part.nodeValue.replace(/{(.*?)}/g, (_, names, start) => {
				const found = names.split("|").map((name) => [values[name] ?? ""].flat().join(", ")).find(Boolean);
				isBad ||= !found;
				return isUrl && start ? encodeURIComponent(found).replace(/%2F/g, "/") : found;
			});
			if (isBad || isUrl && !/^(https?:\/)?[/.?#]/i.test(part.nodeValue)) {
				part.nodeValue = "";
				node.remove();
			}
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
			const want = { ...usual };
			for (const { name, value } of this.attributes) want[name] = value;
			const url = document.querySelector("link[rel=canonical]")?.href ?? location.href.split(/[?#]/)[0];
			const seed = want.item.replace("{url}", () => url)
				.replace("{path}", () => stem(decodeURI(new URL(url).pathname.slice(1))));
			const base = `${want.api}v1/${want.catalogue}/`;
			const query = new URLSearchParams({ limit: want.limit, id: seed });
			const answer = await fetch(`${base}${want.from}?${query}&${want.query}`, asking);
			if (!answer.ok) throw Error(await answer.text());
			await styled;
			this.render(await answer.json(), seed, want, base + "events");
		} catch (error) {
			if (asking !== this.asking) return;
			this.show();
			console.warn(`<${TAG}>: ${error.message}`);
		}
	}

	render(answer, seed, want, url) {
		const tell = (name, detail) => this.dispatchEvent(
			new CustomEvent("recommender:" + name, { detail, bubbles: true, cancelable: true }));
		const track = (type, id, seed) => want.events === "on" && fetch(url, {
			method: "POST", keepalive: true, headers: { "Content-Type": "application/json" },
			body: JSON.stringify({ type, id, seed, user: want.user }),
		}).then((told) => told.text()).catch(() => {});
		track("view", seed);
		if (!tell("results", answer)) return;

		const own = this.querySelector("template");
		const card = own?.content ?? make("a", { href: want.link },
			make("img", { loading: "lazy", alt: "", src: want.picture }),
			make("b", {}, want.text), make("small", {}, want.note));
		const list = make("ul", { slot: "list" });
		list.addEventListener("error", ({ target }) => target.remove(), true);
		for (const item of answer.items) {
			const row = make("li", {}, card.cloneNode(true));
			fill(row, { __proto__: null, day: new Date(item.fields.date * 1000).toJSON()?.slice(0, 10),
				path: stem(item.id), ...item.fields, id: item.id });
			row.onclick = ({ target }) => {
				if (target.closest("[href]") && tell("click", { item, seed })) track("click", item.id, seed);
			};
			if (row.querySelector("[href]")) list.append(row);
		}
		if (!list.firstChild) throw Error("no item has a link");
		this.show(make("nav", { ariaLabel: want.heading || "More like this" },
			want.heading && make("h2", {}, want.heading), own ? make("slot", { name: "list" }) : list));
		if (own) this.append(list);
	}
});

if (script?.dataset.catalogue) {
	const want = { api: usual.api, ...script.dataset };
	const more = make(TAG), target = document.querySelector(want.target);
	for (const name in want) more.setAttribute(name === "id" ? "item" : name, want[name]);
	(target ?? script).after(more);
	more.append(target ?? "");
}
}
