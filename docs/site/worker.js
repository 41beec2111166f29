// Lets the search work on pages that are opened from a disk, where browsers refuse `Worker`: its
// script runs in a hidden frame instead. The theme would load a package for this from another host.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.appendChild(frame);
      const inside = frame.contentWindow;
      const own = new URL(address, location);
      const load = (script) =>
        new Promise((resolve) => {
          const element = frame.contentDocument.createElement("script");
          element.src = new URL(script, own).href;
          element.onload = element.onerror = resolve;
          frame.contentDocument.body.appendChild(element);
        });
      inside.importScripts = async (...scripts) => {
        for (const script of scripts) await load(script);
      };
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.inside = inside;
      this.ready = load(own.href);
    }

    async postMessage(data) {
      await this.ready;
      this.inside.dispatchEvent(new MessageEvent("message", { data }));
    }
  };
}
