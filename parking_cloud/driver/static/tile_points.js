// Points out of a vector tile: x and y in 0..1 of the tile, and their properties (Mapbox vector tile 2.1).
import { PbfReader } from "../vendor/pbf/index.js";

export function tilePoints(buffer) {
  return new PbfReader(buffer).readFields((tag, points, pbf) => {
    if (tag === 3) points.push(...pointsOf(pbf.readMessage(layerField, { keys: [], values: [], features: [], extent: 4096 })));
  }, []);
}

function layerField(tag, layer, pbf) {
  if (tag === 2) layer.features.push(pbf.readMessage(featureField, { tags: [], geometry: [] }));
  else if (tag === 3) layer.keys.push(pbf.readString());
  else if (tag === 4) layer.values.push(pbf.readMessage(valueField, [])[0]);
  else if (tag === 5) layer.extent = pbf.readVarint();
}

function featureField(tag, feature, pbf) {
  if (tag === 2) pbf.readPackedVarint(feature.tags);
  else if (tag === 4) pbf.readPackedVarint(feature.geometry);
}

function valueField(tag, value, pbf) {
  if (tag === 1) value.push(pbf.readString());
  else if (tag === 2) value.push(pbf.readFloat());
  else if (tag === 3) value.push(pbf.readDouble());
  else if (tag === 4) value.push(pbf.readVarint(true));
  else if (tag === 5) value.push(pbf.readVarint());
  else if (tag === 6) value.push(pbf.readSVarint());
  else if (tag === 7) value.push(pbf.readBoolean());
}

function pointsOf({ keys, values, features, extent }) {
  return features.map(({ tags, geometry }) => {
    const properties = {};
    for (let i = 0; i < tags.length; i += 2) properties[keys[tags[i]]] = values[tags[i + 1]];
    // One "move to": the command, then both steps from the corner, zigzag-coded.
    return { x: unzigzag(geometry[1]) / extent, y: unzigzag(geometry[2]) / extent, properties };
  });
}

const unzigzag = (n) => (n >> 1) ^ -(n & 1);
