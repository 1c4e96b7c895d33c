// The city's map: district outlines and what was found, drawn without tiles unless a tile server is set.
import { leaflet } from "./leaflet.js";
import { load, nameOf } from "./words.js";

export async function openMap(id, options) {
  return new CityMap(await leaflet(), id, options);
}

class CityMap {
  constructor(L, id, { tiles, centre, onPick, onChoose, onPickFacility }) {
    this.L = L;
    this.onChoose = onChoose;
    this.markers = new Map();
    this.map = L.map(id, { zoomControl: true, attributionControl: false, minZoom: 8, maxZoom: 18 });
    this.map.setView([centre.lat, centre.lon], 15);
    if (tiles) L.tileLayer(tiles).addTo(this.map);
    this.map.on("click", (event) => onPick({ lat: event.latlng.lat, lon: event.latlng.wrap().lng }));
    this.map.createPane("facilities").style.zIndex = 450;
    this.drawOutlines();
    this.drawAll(onPickFacility);
    if (!tiles) this.drawRoads();
  }

  // All facilities in view, from vector tiles; what was found lies over them.
  async drawAll(onPick) {
    const { facilityTiles } = await import("./tiles.js");
    this.all = facilityTiles(this.map, { onPick });
    this.all.options.pane = "facilities";
    if (!this.old) this.all.addTo(this.map);
  }

  async drawOutlines() {
    const english = document.body.dataset.language === "en";
    await this.draw("/v1/geo/outlines", {
      style: { color: "#7fa39d", weight: 1.5, fillColor: "#ffffff", fillOpacity: 0.75 },
      onEachFeature: (feature) => {
        const { centre, name, name_en: nameEn } = feature.properties;
        this.label([centre[1], centre[0]], english ? nameEn : name, "district");
      },
    });
  }

  async drawRoads() {
    await this.draw("/v1/geo/roads", {
      style: ({ properties }) => (properties.class === "trunk"
        ? { color: "#e6cf9a", weight: 5, opacity: 0.9 }
        : { color: "#cfd9d7", weight: 6, opacity: 1 }),
      onEachFeature: ({ properties }, layer) => {
        if (properties.class === "street") this.label(layer.getLatLngs().at(-1), properties.name, "district road");
      },
    });
    this.map.on("zoomend", () => this.thinLabels());
    this.thinLabels();
  }

  // Without them the map is poorer, and all else works.
  async draw(address, how) {
    const answer = await fetch(address).catch(() => null);
    if (answer?.ok) this.L.geoJSON(await answer.json(), { interactive: false, ...how }).addTo(this.map);
  }

  // Beneath the markers, so that a name never hides a number.
  label(where, text, className) {
    this.L.tooltip({ permanent: true, direction: "center", className, pane: "overlayPane" })
      .setLatLng(where).setContent(text).addTo(this.map);
  }

  // Road names only where they do not lie on top of one another.
  thinLabels() {
    this.map.getContainer().classList.toggle("far", this.map.getZoom() < 13);
  }

  show(places, here, { old = false } = {}) {
    const wanted = new Set(places.map((place) => place.facility.id));
    for (const [id, marker] of this.markers) {
      if (!wanted.has(id)) { marker.remove(); this.markers.delete(id); }
    }
    this.old = old;
    // Of the others nothing is known without a network.
    if (old) this.all?.remove();
    else this.all?.addTo(this.map);
    for (const place of places) this.update(place, true);
    this.here ??= this.L.circleMarker([here.lat, here.lon],
      { radius: 8, color: "#fff", weight: 3, fillColor: "#1a5fd0", fillOpacity: 1, interactive: false }).addTo(this.map);
    this.here.setLatLng([here.lat, here.lon]).bringToFront();
  }

  // So that all of it is in sight.
  fit(places, here) {
    const points = [here, ...places.slice(0, 8).map((place) => place.position)];
    this.map.fitBounds(points.map(({ lat, lon }) => [lat, lon]), { padding: [40, 40], maxZoom: 16 });
  }

  update(place, add = false) {
    const marker = this.markers.get(place.facility.id);
    if (marker) marker.setIcon(this.icon(place));
    else if (add) this.add(place);
    if (this.chosen === place.facility.id) this.mark();
  }

  add(place) {
    const { id } = place.facility;
    const marker = this.L.marker([place.position.lat, place.position.lon], {
      icon: this.icon(place), title: nameOf(place.facility), alt: nameOf(place.facility), keyboard: true,
    });
    marker.on("click", () => this.onChoose(id));
    marker.addTo(this.map);
    this.markers.set(id, marker);
  }

  choose(place) {
    this.markers.get(this.chosen)?.getElement()?.classList.remove("chosen");
    this.chosen = place?.facility.id;
    if (!place) return;
    this.map.panTo([place.position.lat, place.position.lon]);
    this.mark();
  }

  mark() {
    this.markers.get(this.chosen)?.getElement()?.classList.add("chosen");
  }

  // Its box has come into sight, or has another size.
  settle() {
    this.map.invalidateSize();
  }

  icon(place) {
    const { capacity } = place.facility;
    const size = capacity > 200 ? 38 : capacity > 60 ? 32 : 27;
    const made = this.L.divIcon({ className: "marker", iconSize: [size, size], html: String(place.free ?? "?") });
    const create = made.createIcon.bind(made);
    made.createIcon = (old) => {
      const element = create(old);
      element.dataset.load = this.old ? "old" : load({ free: place.free, capacity });
      return element;
    };
    return made;
  }
}
